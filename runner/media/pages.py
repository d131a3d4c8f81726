"""Web pages where a file was expected: how to know one, what it is called, and where the file itself may be; pure."""

from __future__ import annotations

import html
import re
from typing import Final
from urllib.parse import urlsplit

BEGINNINGS: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<title", b"<script", b"<meta")
LOGIN_PATH: Final = re.compile(
    r"(^|[/._-])(log-?in|sign-?in|sso|oauth2?|auth|authorize|accounts?)([/._-]|$)", re.IGNORECASE
)
LOGIN_HOSTS: Final = ("accounts.google.com", "login.microsoftonline.com", "login.live.com", "login.yahoo.com")
PASSWORD: Final = re.compile(rb"<input[^>]{0,500}type\s*=\s*[\"']?password", re.IGNORECASE)

MECHANICAL: Final = (
    (r"drive\.google\.com/file/(?:u/\d+/)?d/([\w-]+).*", r"https://drive.google.com/uc?export=download&id=\1"),
    (r"github\.com/([^/]+/[^/]+)/blob/(.+)", r"https://raw.githubusercontent.com/\1/\2"),
    (r"(gitlab\.com/.+)/-/blob/(.+)", r"https://\1/-/raw/\2"),
    (r"bitbucket\.org/([^/]+/[^/]+)/src/(.+)", r"https://bitbucket.org/\1/raw/\2"),
    (r"huggingface\.co/(.+)/blob/(.+)", r"https://huggingface.co/\1/resolve/\2"),
    (r"([a-z-]+\.wikipedia\.org|commons\.wikimedia\.org)/wiki/File:(.+)", r"https://\1/wiki/Special:FilePath/\2"),
    (r"(?:www\.|m\.)?imgur\.com/(\w+)", r"https://i.imgur.com/\1.png"),
)
"""Share pages by host and path, and where the file itself is. Queries are never shown, so none is carried over."""
ADVICE: Final = (
    (r"drive\.google\.com/open.*", "share it with anyone who has the link; the file is at /uc?export=download&id=…"),
    (
        r"drive\.google\.com/.*",
        "Google Drive shows people a page, at times even for a download: put the file elsewhere",
    ),
    (r"docs\.google\.com/.*", "a document is no file: download it, and put it where anyone can fetch it"),
    (r"photos\.(google\.com|app\.goo\.gl)/.*", "Google Photos gives files no lasting address: put it elsewhere"),
    (r"(www\.)?dropbox\.com/.*", "write dl=1 in the place of dl=0 at its end"),
    (r"[\w-]+\.sharepoint\.com/.*", "share it with anyone, and write download=1 in the place of all behind its ?"),
    (r"onedrive\.live\.com/.*", "take the link of its “Embed”, and write download in the place of embed"),
    (r"1drv\.ms/.*", "take the link of its “Embed” instead, and write download in the place of embed"),
    (r"([\w-]+\.)?imgur\.com/.*", "open the image alone: its address begins with https://i.imgur.com/"),
    (r"(www\.)?(ibb\.co|postimg\.cc|flickr\.com|pinterest\.\w+)/.*", "take the link to the image, not to its page"),
    (r"((www\.)?icloud\.com|we\.tl|([\w-]+\.)?wetransfer\.com)/.*", "it serves people only: put the file elsewhere"),
    (r"([\w-]+\.)?box\.com/.*", "take the “Direct link” of Box's link settings"),
)
"""Share pages whose file has an address that cannot be derived, or stands in the query, which is never shown."""
ELSEWHERE: Final = "give the address of the file itself: a private browser window shows nothing else there"


def is_page(head: bytes, content_type: str) -> bool:
    """Whether an answer is a web page: it says so, or begins like one."""
    if content_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml"):
        return True
    text = head[:2048].lstrip(b"\xef\xbb\xbf \t\r\n")
    text = re.sub(rb"^(<\?xml[^>]*>|<!--.*?-->|\s)+", b"", text, flags=re.DOTALL)
    return text[:20].lower().startswith(BEGINNINGS)


def title_of(head: bytes) -> str:
    """The page's title on one line, or nothing."""
    found = re.search(rb"<title[^>]{0,200}>(.*?)(?:</title|$)", head, re.IGNORECASE | re.DOTALL)
    return one_line(html.unescape(found[1][:1000].decode("utf-8", "replace")), 1000) if found else ""


def asks_for_login(url: str, head: bytes) -> bool:
    """Whether a page is there to let people in: by its address, or because it asks for a password."""
    parts = urlsplit(url)
    return parts.hostname in LOGIN_HOSTS or bool(LOGIN_PATH.search(parts.path) or PASSWORD.search(head))


def direct_form(url: str) -> str:
    """Where the file behind a well-known share page is, as a hint; nothing for other hosts."""
    parts = urlsplit(url)
    place = f"{parts.hostname or ''}{parts.path}"
    for pattern, form in MECHANICAL:
        if found := re.fullmatch(pattern, place, re.IGNORECASE):
            return f"the file itself is at {one_line(found.expand(form), 300)}"
    return next((advice for pattern, advice in ADVICE if re.fullmatch(pattern, place, re.IGNORECASE)), "")


def one_line(text: str, longest: int) -> str:
    """Foreign text for a person: on one line, nothing in it that steers a terminal, cut to a length."""
    folded = " ".join("".join(c if c.isprintable() else " " for c in text[: longest * 4]).split())
    return folded if len(folded) <= longest else folded[: longest - 1] + "…"
