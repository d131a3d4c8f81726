"""What is found about the inputs of a manifest, over real sockets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.raw_server import http, raw_server
from support.sites import GIF, MP4, PNG, only_get, site, stored

from runner.batch.preflight import Finding, preflight

CANARY = "canary-7f3a-5f0e-91bd"
NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


async def found_by(respond, query, *, ends_at=NOW + 3600, place="/a.png"):
    """The findings about one input."""
    told = []
    async with raw_server(site(respond)) as server:
        url = f"http://127.0.0.1:{server.port}{place}?{query}"
        count = await preflight(
            [(url, "image"), (url, "image"), ("data:image/png;base64,AAAA", "image")],
            now=NOW,
            ends_at=ends_at,
            on_result=told.append,
            allow_loopback=True,
        )
    assert count == len(told) == 1
    assert told[0].url == url
    assert CANARY not in repr(told)
    port = f":{server.port}/"
    findings = (replace(finding, message=finding.message.replace(port, ":PORT/")) for finding in told[0].findings)
    return replace(told[0], findings=tuple(findings))


LATE, SOON, OVER = (f"Expires={int(NOW) + seconds}&Signature={CANARY}" for seconds in (7200, 600, -600))
ANEW = "presign it anew, until the run is over"


@pytest.mark.parametrize(
    ("respond", "query", "findings"),
    [
        (stored(PNG), LATE, ()),
        (stored(PNG), "v=1", ()),
        (
            stored(PNG),
            SOON,
            (
                Finding(
                    severity="error",
                    code="input-expires",
                    message="127.0.0.1:PORT/a.png stops working at 2023-11-14 22:23 UTC, "
                    "before the run ends at 2023-11-14 23:13 UTC",
                    hint=ANEW,
                ),
            ),
        ),
        (
            only_get(http(403)),
            OVER,
            (
                Finding(
                    severity="error",
                    code="input-expired",
                    message="127.0.0.1:PORT/a.png stopped working at 2023-11-14 22:03 UTC",
                    hint=ANEW,
                ),
            ),
        ),
        (
            stored(PNG),
            OVER,
            (
                Finding(
                    severity="warning",
                    code="input-expired",
                    message="127.0.0.1:PORT/a.png says that it stopped working at 2023-11-14 22:03 UTC, "
                    "but it still serves",
                    hint=ANEW,
                ),
            ),
        ),
    ],
    ids=["works long enough", "does not say", "stops too soon", "is over", "is over and still serves"],
)
async def test_an_input_has_to_work_until_the_run_is_over(respond, query, findings):
    """What the query tells and what the server answers make one finding where they are one thing."""
    checked = await found_by(respond, query)
    assert checked.findings == findings
    assert checked.is_usable is all(finding.severity == "warning" for finding in findings)


async def test_findings_are_errors_where_they_are_certain():
    """Warnings where they may pass, and where the service may take it all the same."""

    def brief(checked):
        return [(finding.severity, finding.code) for finding in checked.findings]

    assert brief(await found_by(only_get(http(403)), "v=1")) == [("error", "input-login")]
    assert brief(await found_by(stored(GIF), SOON)) == [("warning", "input-format"), ("error", "input-expires")]
    assert brief(await found_by(stored(MP4), OVER)) == [("error", "input-expired"), ("error", "input-not-image")]
    assert brief(await found_by(stored(PNG[:20]), "v=1")) == [("warning", "input-not-image")]
    assert brief(await found_by(stored(PNG), SOON, ends_at=None)) == []
