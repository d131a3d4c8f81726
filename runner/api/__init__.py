"""The RunComfy Model API: `wire` parses replies, `client` talks, `token` finds the token."""
