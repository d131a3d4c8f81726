"""Web pages where a file was expected."""

import pytest

from runner.media.pages import direct_form, is_page, title_of

PAGES = [
    (
        "https://drive.google.com/file/d/1AbC_d-9/view?usp=sharing",
        "the file itself is at https://drive.google.com/uc?export=download&id=1AbC_d-9",
    ),
    ("https://drive.google.com/open?id=1AbC", "/uc?export=download&id="),
    ("https://drive.google.com/uc?export=download&id=1AbC", "put the file elsewhere"),
    ("https://www.dropbox.com/scl/fi/ab/a.png?rlkey=canary&dl=0", "dl=1 in the place of dl=0"),
    (
        "https://github.com/me/shop/blob/main/img/a.png",
        "the file itself is at https://raw.githubusercontent.com/me/shop/main/img/a.png",
    ),
    ("https://gitlab.com/me/shop/-/blob/main/a.png", "https://gitlab.com/me/shop/-/raw/main/a.png"),
    ("https://bitbucket.org/me/shop/src/main/a.png", "https://bitbucket.org/me/shop/raw/main/a.png"),
    ("https://huggingface.co/me/x/blob/main/a.png", "https://huggingface.co/me/x/resolve/main/a.png"),
    (
        "https://commons.wikimedia.org/wiki/File:Mug.jpg",
        "https://commons.wikimedia.org/wiki/Special:FilePath/Mug.jpg",
    ),
    ("https://imgur.com/AbC123", "the file itself is at https://i.imgur.com/AbC123.png"),
    ("https://imgur.com/a/AbC123", "its address begins with https://i.imgur.com/"),
    ("https://shop-my.sharepoint.com/:i:/g/personal/x/E?e=ab", "download=1"),
    ("https://onedrive.live.com/embed?resid=1", "download in the place of embed"),
    ("https://1drv.ms/i/s!Ab", "download in the place of embed"),
    ("https://photos.app.goo.gl/x", "no lasting address"),
    ("https://we.tl/t-x", "put the file elsewhere"),
    ("https://ibb.co/x", "take the link to the image"),
    ("https://app.box.com/s/x", "Direct link"),
    ("https://shop.example/a.png", ""),
    ("https://notimgur.com/AbC123", ""),
    ("https://evil.example/github.com/me/shop/blob/main/a.png", ""),
    ("", ""),
]


@pytest.mark.parametrize(("url", "hint"), PAGES, ids=[url for url, _ in PAGES])
def test_the_file_behind_a_share_page_is_named(url, hint):
    """Where its address is mechanical; and no query is carried over, which may be a key."""
    assert hint in direct_form(url) if hint else direct_form(url) == ""
    assert "canary" not in direct_form(url)


@pytest.mark.parametrize(
    ("head", "content_type", "expected"),
    [
        (b"", "text/html; charset=utf-8", True),
        (b"", "Application/XHTML+xml", True),
        (b"<!DOCTYPE html>", "image/png", True),
        (b"\xef\xbb\xbf\r\n<HTML lang=en>", "", True),
        (b"<!-- a\nb --> <!-- c --><html>", "", True),
        (b"<?xml version='1.0'?>\n<!doctype html>", "", True),
        (b"<?xml version='1.0'?><Error/>", "application/xml", False),
        (b"<svg/>", "image/svg+xml", False),
        (b"\x89PNG\r\n", "image/png", False),
        (b"<!--" * 9000, "", False),
        (b"", "", False),
    ],
)
def test_a_page_is_known_by_its_type_or_its_beginning(head, content_type, expected):
    """A server may say either and mean the other."""
    assert is_page(head, content_type) is expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"<html><TITLE lang=en>Sign\n  in &amp; out</TITLE>", "Sign in & out"),
        (b"<title>\x1b[2J\xe2\x80\xaecafe\xff</title>", "[2J cafe\ufffd"),
        (b"<title>never ends", "never ends"),
        (b"<title></title>", ""),
        (b"<h1>none</h1>", ""),
        (b"<title>" * 9000, ("<title>" * 143)[:1000]),
    ],
)
def test_a_title_is_one_clean_line(head, expected):
    """Nothing in it steers a terminal."""
    assert title_of(head) == expected
