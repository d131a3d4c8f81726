"""Until when presigned URLs work."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.expiry import expires_at, judge

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
HOST = "https://files.example/a.png"


def at(*date):
    return datetime(*date, tzinfo=UTC).timestamp()


def policy(document, spelling="+=/", to="-_~", *, padded=True):
    """JSON as a query holds it: in base64, with some characters in the place of others."""
    text = document if isinstance(document, str) else json.dumps(document)
    encoded = base64.b64encode(text.encode()).decode()
    return (encoded if padded else encoded.rstrip("=")).translate(str.maketrans(spelling, to))


def until(*instants, start=None):
    """A CloudFront policy with a statement an instant."""
    begin = {"DateGreaterThan": {"AWS:EpochTime": start}} if start else {}
    ends = [{"Resource": "*", "Condition": {"DateLessThan": {"AWS:EpochTime": i}, **begin}} for i in instants]
    return {"Statement": ends}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # AWS Signature Version 4 and its relatives
        ("X-Amz-Date=20231114T221320Z&X-Amz-Expires=3600&X-Amz-Signature=ab", NOW + 3600),
        ("x-amz-expires=3600&x-amz-date=20231114t221320z", NOW + 3600),
        ("X-Amz-Date=20231114T221320Z&X-Amz-Expires=604800", NOW + 604800),
        ("X-Amz-Date=20231114T221320Z", None),
        ("X-Amz-Expires=3600&X-Amz-Signature=ab", None),
        ("X-Amz-Date=20231314T221320Z&X-Amz-Expires=3600", None),
        ("X-Amz-Date=2023-11-14T22:13:20Z&X-Amz-Expires=3600", None),
        ("X-Amz-Date=20231114T221320Z&X-Amz-Expires=soon", None),
        ("X-Amz-Date=20231114T221320Z&X-Amz-Expires=-5", None),
        ("X-Amz-Date=20231114T221320Z&X-Amz-Expires=99999999999", None),
        ("X-Amz-Date=00001114T221320Z&X-Amz-Expires=3600", None),
        ("X-Goog-Date=20231114T221320Z&X-Goog-Expires=600&X-Goog-Signature=ab", NOW + 600),
        ("x-oss-date=20231114T221320Z&x-oss-expires=86400&x-oss-signature=ab", NOW + 86400),
        ("X-Tos-Date=20231114T221320Z&X-Tos-Expires=60&X-Tos-Signature=ab", NOW + 60),
        ("X-Obs-Date=20231114T221320Z&X-Obs-Expires=60&X-Obs-Signature=ab", NOW + 60),
        # an instant beside a signature
        ("AWSAccessKeyId=AK&Expires=1700000060&Signature=ab%2B", NOW + 60),
        ("Expires=1700000060&Signature=ab&Key-Pair-Id=K1", NOW + 60),
        ("GoogleAccessId=a%40b&Expires=1700000060&Signature=ab", NOW + 60),
        ("OSSAccessKeyId=AK&Expires=1700000060&Signature=ab", NOW + 60),
        ("expires=1700000060000&sig=ab", NOW + 60),
        ("exp=1700000060&hmac=ab", NOW + 60),
        ("expiry=1700000060&token=ab", NOW + 60),
        ("e=1700000060&token=ab:cd", NOW + 60),
        ("x-expires=1700000060&x-signature=ab", NOW + 60),
        ("expires=1700000060&api_key=ab", NOW + 60),
        ("expires=1700000060", None),
        ("expires=1700000060&sig=", None),
        ("expires=1700000060&signal=strong", None),
        ("expires=1700000060&monkey=ab", None),
        ("expires=never&sig=ab", None),
        ("expires=0&sig=ab", None),
        ("expires=17&sig=ab", None),
        ("expires=4102444800&sig=ab", None),
        ("expires=4102444799&sig=ab", 4102444799.0),
        ("expires=946684800&sig=ab", 946684800.0),
        ("expires=946684799&sig=ab", None),
        ("expires=" + "9" * 5000 + "&sig=ab", None),
        ("expires=١٧٠٠٠٠٠٠٦٠&sig=ab", None),
        ("expires=nan&sig=ab", None),
        ("expires=1700000060&expires=1800000000&sig=ab", NOW + 60),
        # CloudFront's custom policy
        (f"Policy={policy(until(1700000060))}&Signature=ab&Key-Pair-Id=K1", NOW + 60),
        (f"Policy={policy(until(1700000060), padded=False)}&Signature=ab", NOW + 60),
        (f"Policy={policy(until(1700000060), '+/', '-_')}&Signature=ab", NOW + 60),
        (f"Policy={policy(until(1700000600, 1700000060, start=1600000000))}", NOW + 60),
        (f"Policy={policy({'Statement': until(1700000060)['Statement'][0]})}", NOW + 60),
        (f"Policy={policy({'Statement': ['any', {'Condition': 'none'}, 7]})}", None),
        (f"Policy={policy([1])}", None),
        (f"Policy={policy(until('soon'))}", None),
        (f"Policy={policy('[' * 100_000)}", None),
        ("Policy=none&Signature=ab", None),
        ("Policy=é", None),
        # Azure's shared access signatures
        ("sv=2022-11-02&se=2023-11-14T22%3A13%3A20Z&sr=b&sp=r&sig=ab", NOW),
        ("se=2023-11-14T22:13:20Z&sig=ab", NOW),
        ("se=2023-11-14T22:13Z&sig=ab", NOW - 20),
        ("se=2023-11-14T22:13:20.1234567Z&sig=ab", NOW),
        ("se=2023-11-14T23:13:20+01:00&sig=ab", NOW),
        ("se=2023-11-14T23%3A13%3A20%2B0100&sig=ab", NOW),
        ("se=2023-11-14T20:43:20-01:30&sig=ab", NOW),
        ("se=2023-11-14T22:13:20&sig=ab", NOW),
        ("se=2023-11-14&sig=ab", at(2023, 11, 14)),
        ("se=2023-11-14", None),
        ("se=2023-11-31&sig=ab", None),
        ("se=2023-11-31T10:00+01:00&sig=ab", None),
        ("se=tomorrow&sig=ab", None),
        ("se=1999-11-14&sig=ab", None),
        # Tencent
        ("q-sign-algorithm=sha1&q-sign-time=1700000000;1700000060&q-signature=ab", NOW + 60),
        ("q-sign-time=1700000000%3B1700000060", NOW + 60),
        ("q-sign-time=1700000000", None),
        ("q-sign-time=;1700000060", None),
        # Akamai and its relatives
        ("hdnts=st=1600000000~exp=1700000060~acl=/*~hmac=ab", NOW + 60),
        ("hdnea=exp%3D1700000060~acl%3D%2F*~hmac%3Dab", NOW + 60),
        ("__token__=exp=1700000060~hmac=ab", NOW + 60),
        ("__cld_token__=hmac=ab~exp=1700000060", NOW + 60),
        ("hdnts=texp=1700000060~hmac=ab", None),
        ("other=exp=1700000060~hmac=ab", None),
        # several: the earliest
        ("X-Amz-Date=20231114T221320Z&X-Amz-Expires=3600&Expires=1700000060&Signature=ab", NOW + 60),
        # nothing to read
        ("", None),
        ("v=3&width=800", None),
        ("&&=&=x&a", None),
        ("%zz=%&%FF%FE=%80", None),
    ],
)
def test_the_expiry_is_read_from_the_query(query, expected):
    """In the way of each store; garbage and absurd dates say nothing."""
    assert expires_at(f"{HOST}?{query}#part") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://scontent-ams4-1.xx.fbcdn.net/v/a.jpg?oh=00_AB&oe=6553f13c", NOW + 60),
        ("https://scontent.cdninstagram.com/v/a.jpg?oe=6553F13C", NOW + 60),
        ("https://cdn.discordapp.com/attachments/1/2/a.png?ex=6553f13c&is=6553f1c0&hm=ab&", NOW + 60),
        ("https://media.discordapp.net/attachments/1/2/a.png?ex=6553f13c&is=6553f1c0&hm=ab&", NOW + 60),
        ("https://fbcdn.net.evil.example/a.jpg?oe=6553f13c", None),
        ("https://notfbcdn.net/a.jpg?oe=6553f13c", None),
        ("https://scontent.xx.fbcdn.net/a.jpg?oe=later", None),
        ("https://scontent.xx.fbcdn.net/a.jpg?ex=6553f13c", None),
        ("https://files.example/a.png", None),
        ("https://[/a.png?expires=1700000060&sig=ab", None),
        ("data:image/png;base64,AAAA", None),
        ("?expires=1700000060&sig=ab", NOW + 60),
        ("", None),
        ("\ud800", None),
    ],
)
def test_some_hosts_have_a_way_of_their_own(url, expected):
    """Hexadecimal, and only there: elsewhere `oe` and `ex` may be anything."""
    assert expires_at(url) == expected


@given(
    st.text(st.characters()),
    st.sampled_from(["expires", "se", "Policy", "q-sign-time", "hdnts", "X-Amz-Date", "oe", "ex"]),
)
def test_no_text_makes_it_raise(text, name):
    """Whatever a manifest holds."""
    assert expires_at(text) is None or isinstance(expires_at(text), float)
    for url in (f"{HOST}?{name}={text}&sig=x&X-Amz-Expires={text}", f"https://{text}.fbcdn.net/?{name}={text}"):
        assert expires_at(url) is None or isinstance(expires_at(url), float)


@pytest.mark.parametrize(
    ("expires", "ends", "verdict"),
    [
        (None, None, "good"),
        (None, NOW + 10, "good"),
        (NOW + 1, None, "good"),
        (NOW, None, "expired"),
        (NOW - 1, NOW + 10, "expired"),
        (NOW + 9, NOW + 10, "too_soon"),
        (NOW + 10, NOW + 10, "good"),
        (NOW + 9, NOW - 10, "good"),
    ],
)
def test_a_url_has_to_work_until_the_run_is_over(expires, ends, verdict):
    """Where either is not known, nothing is held against it."""
    assert judge(expires, now=NOW, ends_at=ends) == verdict
