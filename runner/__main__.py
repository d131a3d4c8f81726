"""`python -m runner` is `runcomfy-batch`."""

from runner.cli import main

main()
