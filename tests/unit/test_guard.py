"""Who may ask the page's server what."""

import pytest

from runner.live.guard import refusal

TOKEN = "Tq3-x_9"
HOME = {"Host": "127.0.0.1:8080"}
POSTED = {**HOME, "Origin": "http://127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", f"/{TOKEN}/", HOME, None),
        ("HEAD", f"/{TOKEN}/data/index", HOME, None),
        ("GET", f"/{TOKEN}/", {"Host": "localhost:9000"}, None),
        ("GET", f"/{TOKEN}/", {"Host": "[::1]:9000"}, None),
        ("GET", f"/{TOKEN}/", {"Host": "LOCALHOST"}, None),
        ("POST", f"/{TOKEN}/say/pause", POSTED, None),
        ("POST", f"/{TOKEN}/say/pause", {"Host": "localhost:9000", "Origin": "http://localhost:9000"}, None),
        ("GET", f"/{TOKEN}/", POSTED, None),
        ("GET", "/metrics", HOME, None),
        ("HEAD", "/healthz", HOME, None),
        # a name of the web that points here
        ("GET", f"/{TOKEN}/", {"Host": "evil.example:8080"}, 421),
        ("GET", "/metrics", {"Host": "evil.example"}, 421),
        ("GET", f"/{TOKEN}/", {"Host": "127.0.0.1.evil.example"}, 421),
        ("GET", f"/{TOKEN}/", {"Host": "127.0.0.1:8080@evil.example"}, 421),
        ("GET", f"/{TOKEN}/", {"Host": "10.0.0.7:8080"}, 421),
        ("GET", f"/{TOKEN}/", {"Host": ""}, 421),
        ("GET", f"/{TOKEN}/", {}, 421),
        # no token, or another one
        ("GET", "/", HOME, 404),
        ("GET", "//", HOME, 404),
        ("GET", f"/{TOKEN[:-1]}/", HOME, 404),
        ("GET", f"/{TOKEN}x/", HOME, 404),
        ("GET", f"/{TOKEN.lower()}/", HOME, 404),
        ("GET", f"/x/{TOKEN}/", HOME, 404),
        ("GET", "/metrics/", HOME, 404),
        ("GET", "/\udcff\udcfe/", HOME, 404),
        ("POST", "/say/pause", POSTED, 404),
        # another page's doing
        ("POST", f"/{TOKEN}/say/pause", HOME, 403),
        ("POST", f"/{TOKEN}/say/pause", {**HOME, "Origin": "null"}, 403),
        ("POST", f"/{TOKEN}/say/pause", {**HOME, "Origin": "http://evil.example"}, 403),
        ("POST", f"/{TOKEN}/say/pause", {**HOME, "Origin": "http://127.0.0.1:8081"}, 403),
        ("POST", f"/{TOKEN}/say/pause", {**HOME, "Origin": "http://localhost:8080"}, 403),
        ("POST", f"/{TOKEN}/say/pause", {**HOME, "Origin": "https://127.0.0.1:8080"}, 403),
        ("GET", f"/{TOKEN}/data/index", {**HOME, "Origin": "http://evil.example"}, 403),
        # what is not done here
        ("PUT", f"/{TOKEN}/say/pause", POSTED, 405),
        ("OPTIONS", f"/{TOKEN}/say/pause", POSTED, 405),
        ("POST", "/metrics", POSTED, 405),
        ("DELETE", "/healthz", HOME, 405),
    ],
)
def test_only_the_page_itself_gets_through(method, path, headers, status):
    """And probes, to what says nothing private."""
    refused = refusal(method, path, headers, TOKEN)
    assert (None if refused is None else refused.status) == status
