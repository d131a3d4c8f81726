"""Whether the service can fetch an input URL, as far as its text tells; pure.

The service fetches over the public internet and without a login: a URL that only this machine or this network can
reach is a paid failure, so it is refused before anything is sent.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import unquote, urlsplit

from runner.model import LOCAL

Problem = tuple[str, str, str]
"""Code, message, remedy."""

PUBLIC: Final = "use a public https:// URL"
PLAIN: Final = re.compile(
    r"https://(?:[A-Za-z0-9-]+\.)+(?!(?i:local|internal|lan|arpa|localhost)(?![A-Za-z]))[A-Za-z]+"
    r"(?:/[!\"$-+\--9<->@-\[\]-z~]*)?(?:\?[!\"$-+\--9<>-\[\]-z~]*=[!\"$-+\--9<-\[\]-z~]*)?",
    re.ASCII,
)
"""Proves most URLs good at a glance: a dotted public name, no port, no user, nothing but visible ASCII, no fragment, no
brace, a query of names and values, and nothing that may stand between two URLs. What it does not match may be good all
the same."""
_PICTURE: Final = r"\.(?:jpe?g|png|webp|gif|avif|heic|bmp|tiff?)"
_ENDS_AS_PICTURE: Final = re.compile(rf"{_PICTURE}$", re.IGNORECASE)
GLUED: Final = re.compile(rf"{_PICTURE}(?:[^\w?=]{{0,5}}https?://|[,;][^?#]*{_PICTURE}\b)", re.IGNORECASE)
"""Two pictures in one URL. Image services have commas too, but before the one extension."""
GLUED_BEHIND: Final = re.compile(rf"{_PICTURE}\?(?:[^/?#]*=)?[\w.-]+https?://", re.IGNORECASE)
"""The second one behind the query of the first, as `a.jpg?v=1https://…`."""
ONE_EACH: Final = "separate them by  |  , each with its whole https:// URL"
is_plain: Final = PLAIN.fullmatch


def url_problem(url: str, *, allow_loopback: bool = False) -> Problem | None:
    """What is wrong with the URL, or `None`."""
    return None if is_plain(url) else _judge(url, allow_loopback=allow_loopback)


def _judge(url: str, *, allow_loopback: bool) -> Problem | None:
    if not url.strip():
        return "url", "an empty URL", "give a public https:// URL, or drop it"
    if problem := _not_one(url):
        return problem
    if not url.isprintable():
        return "url", f"the URL holds a character that cannot be seen: {_short(url)!r}", "type the URL anew"
    if url.startswith(LOCAL):
        return None  # a photo that was looked at, and is sent inside the request
    if url.startswith("data:"):
        is_image = url.startswith(("data:image/", "data:video/"))
        return None if is_image else ("url", "a data: URI that is no image", "data:image/… is taken")
    if url.startswith("//"):
        return "url-scheme", f"https: is missing: {_short(url)}", f"did you mean https:{_short(url)}"
    if url[0] in "['\"=":
        return "url", f"not a URL: {_short(url)}", "URLs alone, several with  |  between them: no brackets, no formula"
    if found := re.match(r"file:(?://)?(?:localhost)?/", url, re.IGNORECASE):
        path = unquote(url[found.end() - 1 :])
        drive = re.match(r"/[A-Za-z]:/", path)
        hint = f"put the photo into the manifest's folder, and write  {path.rpartition('/')[2]}"
        return "url", f"not a URL: {_short(url)}", hint if drive else f"a photo of this machine is its path:  {path}"
    if re.match(r"\.{0,2}/|~|[A-Za-z]:\\|file:", url) or "://" not in url:
        hint = "the service fetches public https:// URLs: upload the file first"
        return "url", f"not a URL: {_short(url)}", hint
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "url", f"not a URL: {_short(url)}", PUBLIC
    if problem := _misread(url):
        return problem
    if not all(host.removesuffix(".").split(".")) or "\\" in url:
        return "url", f"a URL without a host: {_short(url)}", PUBLIC
    is_loopback = _is_loopback(host)
    if is_loopback and allow_loopback and parts.scheme in ("http", "https"):
        return None
    if is_loopback or _is_private(host):
        return "url-private", f"the service cannot reach {host}: it is no public host", PUBLIC
    if parts.scheme == "http":
        return "url-scheme", f"https:// is needed: {_short(url)}", f"did you mean https://{_short(url[7:])}"
    if parts.scheme != "https":
        return "url-scheme", f"{parts.scheme}:// is not fetched: {_short(url)}", "use an https:// URL"
    return None


def _not_one(url: str) -> Problem | None:
    """White space, a bar, or two pictures: part of what was meant would not be sent."""
    pieces = re.split(r"\s+|[|]", url.strip())
    if len(pieces) > 1 and sum("://" in piece for piece in pieces) > 1:
        return "url-space", f"several URLs in one text: {_short(url)}", "separate URLs by  |  ; one field takes one URL"
    if found := re.fullmatch(r".+ \((https?://[^\s()]+)\)", url.strip()):
        return "url-space", f"a file's name and its URL: {_short(url)}", f"write the URL alone: {_short(found[1])}"
    if re.search(r"\s", url):
        hint = (
            "write a space in a URL as %20; between two pictures write  | "
            if "://" in url
            else "write one URL or path each"
        )
        return "url-space", f"the URL holds white space: {_short(url)}", hint
    if "|" in url:
        return (
            "url-space",
            f"the URL holds a | : {_short(url)}",
            "write it as %7C; between two pictures write it with spaces,  | ",
        )
    if not url.startswith("data:") and (GLUED.search(url.split("?", 1)[0]) or GLUED_BEHIND.search(url)):
        return "url-glued", f"two pictures in one URL: {_short(url)}", ONE_EACH
    return None


def _misread(url: str) -> Problem | None:
    """Signs by which a server is asked for something else than a person reads."""
    if re.search(r"[{}]", url):
        hint = "to fill in a column write  {{ sku }};  the signs themselves are %7B and %7D"
        return "url", f"the URL holds a brace, where nothing is filled in: {_short(url)}", hint
    rest, _, fragment = url.partition("#")
    if _ENDS_AS_PICTURE.search(fragment) and "?" not in rest:
        hint = "in a file's name write it as %23; in a template  {{ sku | urlencode }}  does"
        return "url", f"no server is asked for what stands behind a #: {_short(url)}", hint
    path, _, query = rest.partition("?")
    is_named = "." in path.rpartition("/")[2]
    if _ENDS_AS_PICTURE.search(query) and not is_named and not re.search("[=/]", query):
        hint = "in a file's name write it as %3F; in a template  {{ sku | urlencode }}  does"
        return "url", f"what stands behind a ? is no part of a file's name: {_cut(url)}", hint
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def _is_private(host: str) -> bool:
    address = _address(host)
    if address is not None:
        return not address.is_global
    return host.endswith((".local", ".internal", ".lan", ".home.arpa")) or "." not in host.rstrip(".")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not host[-1:].isdigit() and ":" not in host:  # most are names, and an exception is slow
        return None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _short(url: str) -> str:
    """The URL without its query, cut to a line."""
    return _cut(url.split("?", maxsplit=1)[0])


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
