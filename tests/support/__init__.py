"""Parts that several test files share: the simulator in a process of its own, and the command as a subprocess."""
