"""Where the token is looked for, and that it is never told."""

import json

import pytest

from runner.api.token import Token, find_token, token_file
from runner.errors import ConfigurationInvalid, TokenMissing

SECRET = "canary-7f3a"


def write(home, document):
    path = home / ".config" / "runcomfy" / "token.json"
    path.parent.mkdir(parents=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.mark.parametrize(
    "env",
    [
        {"RUNCOMFY_TOKEN": SECRET, "RUNCOMFY_API_TOKEN": "b", "YOUR_API_TOKEN": "c"},
        {"RUNCOMFY_TOKEN": " ", "RUNCOMFY_API_TOKEN": SECRET, "YOUR_API_TOKEN": "c"},
        {"YOUR_API_TOKEN": f" {SECRET}\n"},
    ],
)
def test_the_environment_comes_first_in_runcomfys_order(env, tmp_path):
    """And blank variables count as not set."""
    write(tmp_path, {"access_token": "file"})
    assert find_token(env, tmp_path, 0.0).header == f"Bearer {SECRET}"


def test_the_official_command_lines_file_is_read(tmp_path):
    """A login there is a login here."""
    path = write(tmp_path, {"access_token": SECRET, "expires_at": 100})
    token = find_token({}, tmp_path, 99.0)
    assert (token.header, token.found_in) == (f"Bearer {SECRET}", str(path))
    assert token_file({"RUNCOMFY_CONFIG_DIR": "/x"}, tmp_path).as_posix() == "/x/token.json"
    assert token_file({"XDG_CONFIG_HOME": "/y"}, tmp_path).as_posix() == "/y/runcomfy/token.json"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (None, "no such file"),
        ("{", "unreadable: JSONDecodeError"),
        ("[]", "holds no access_token"),
        ({"access_token": ""}, "holds no access_token"),
        ({"access_token": SECRET, "expires_at": 5}, "expired"),
    ],
)
def test_every_place_looked_at_is_named(document, why, tmp_path):
    """So that a person knows where to put it."""
    if document is not None:
        write(tmp_path, document)
    with pytest.raises(TokenMissing) as caught:
        find_token({}, tmp_path, 10.0)
    for place in ("$RUNCOMFY_TOKEN", "$RUNCOMFY_API_TOKEN", "$YOUR_API_TOKEN", "token.json", why, "--simulate"):
        assert place in caught.value.message
    assert SECRET not in caught.value.message


def test_the_token_is_not_told():
    """Neither by its repr nor by its fingerprint, and it is cut out of what a server echoes."""
    token = Token(SECRET, "here")
    assert SECRET not in f"{token!r} {token} {token.fingerprint} {vars(Token)}"
    assert token.fingerprint == Token(SECRET, "there").fingerprint != Token("other", "here").fingerprint
    assert token.redact(f"you sent Bearer {SECRET}".encode()) == b"you sent Bearer ***"


@pytest.mark.parametrize("secret", ["a b", "a\nb", "é", ""])
def test_a_token_that_no_header_can_hold_is_refused_early(secret):
    """A line break would be found out only after bytes left."""
    with pytest.raises(ConfigurationInvalid) as caught:
        Token(secret, "$RUNCOMFY_TOKEN")
    assert "$RUNCOMFY_TOKEN" in caught.value.message
