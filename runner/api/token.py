"""Where the token comes from, in the order of RunComfy's own tools, and how it is kept out of sight.

It is never taken from the command line, where other users of the machine and shell histories would see it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from runner.errors import ConfigurationInvalid, TokenMissing

VARIABLES = ("RUNCOMFY_TOKEN", "RUNCOMFY_API_TOKEN", "YOUR_API_TOKEN")
SHORTEST_SECRET = 8
"""Blotting out a token of play money such as `abc` would spoil the request ids that hold these letters."""


class Token:
    """A bearer token whose `repr` and `str` do not tell it."""

    __slots__ = ("__secret", "found_in")

    def __init__(self, secret: str, found_in: str) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", secret):  # a line break inside would be found out only after bytes left
            raise ConfigurationInvalid(f"the token in {found_in} holds white space or characters outside ASCII")
        self.__secret = secret
        self.found_in = found_in

    def __repr__(self) -> str:
        return "Token(***)"

    @property
    def header(self) -> str:
        """The `Authorization` header's value, built at the last moment."""
        return f"Bearer {self.__secret}"

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell two tokens apart and lead back to neither."""
        return hashlib.sha256(b"runcomfy-batch account\n" + self.__secret.encode()).hexdigest()[:16]

    def redact(self, body: bytes) -> bytes:
        """The bytes without the token: servers echo headers. A very short one is no secret, and part of many words."""
        return body if len(self.__secret) < SHORTEST_SECRET else body.replace(self.__secret.encode(), b"***")


def find_token(env: Mapping[str, str], home: Path, now: float) -> Token:
    """The first token found; raises `TokenMissing` with every place that was looked at."""
    looked = []
    for name in VARIABLES:
        if secret := env.get(name, "").strip():
            return Token(secret, f"${name}")
        looked.append(f"  ${name}  (not set)")
    path = token_file(env, home)
    token, why = _read_file(path, now)
    if token is not None:
        return token
    looked.append(f"  {path}  ({why})")
    places = "\n".join(looked)
    raise TokenMissing(
        f"no RunComfy token. Looked at:\n{places}\n"
        "Set RUNCOMFY_TOKEN, or log in with the runcomfy command line; to try without one: `run` with --simulate"
    )


def token_file(env: Mapping[str, str], home: Path) -> Path:
    """Where the official command line keeps its token."""
    if folder := env.get("RUNCOMFY_CONFIG_DIR"):
        return Path(folder) / "token.json"
    return Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "runcomfy" / "token.json"


def _read_file(path: Path, now: float) -> tuple[Token | None, str]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None, "no such file"
    except (OSError, ValueError) as error:
        return None, f"unreadable: {type(error).__name__}"
    secret = document.get("access_token") if isinstance(document, dict) else None
    if not isinstance(secret, str) or not secret.strip():
        return None, "holds no access_token"
    expires_at = document.get("expires_at")
    if isinstance(expires_at, (int, float)) and expires_at <= now:
        return None, "expired; log in again"
    return Token(secret.strip(), str(path)), ""
