"""Sixty texts that would run, call somebody or lie, each in a place where a page was once careless."""

from __future__ import annotations

PWN = "document.title='pwned';document.body.id='pwned'"


def attacks(port: int) -> list[str]:
    """They call 127.0.0.1 on that port, or mark the page."""
    there = f"http://127.0.0.1:{port}/leak"
    tags = ("script", "style", "title", "noscript", "textarea", "template", "svg", "math", "xmp", "iframe", "select")
    closing = [f"</{tag}><script>{PWN}</script>" for tag in tags]
    events = ("onload", "onerror", "onfocus", "onmouseover", "onanimationstart", "ontoggle", "onbeforetoggle")
    handlers = [f'" {event}="{PWN}" autofocus tabindex=1 open x="' for event in events]
    single = [f"' {event}={PWN} autofocus open x='" for event in events]
    schemes = ("javascript:", "JaVaScRiPt:", "java\nscript:", "\x01javascript:", "vbscript:", "data:text/html,<script>")
    addresses = [f"{scheme}{PWN}//" for scheme in schemes]
    elements = [
        f'<img src=x onerror="{PWN}"><img src="{there}">',
        f"--><svg/onload={PWN}>",
        f"]]><script>{PWN}</script>",
        f'<iframe srcdoc="<script>parent.{PWN}</script>"></iframe>',
        f'<meta http-equiv="refresh" content="0;url={there}">',
        f'<link rel=stylesheet href="{there}"><base href="{there}">',
        f'<object data="{there}"></object><embed src="{there}">',
        f'<form action="{there}"><button autofocus>x</button></form>',
        f'<video src="{there}" autoplay></video><audio src="{there}">',
        f'<body background="{there}" onload="{PWN}">',
        f"<style>*{{background:url({there})}}</style>",
        f"<details open ontoggle={PWN}>",
        f"<math><mtext><table><mglyph><style><img src=x onerror={PWN}>",
        "<plaintext><b id=pwned>",
        "<!-- <script> -->",
    ]
    languages = [
        "{{ 7 * 7 }}{% raw %}<b id=pwned>",
        "${7*7}`${document.title='pwned'}`",
        "'+document.title='pwned'+'",
        "\\u003cscript\\u003edocument.title='pwned'\\u003c/script\\u003e",
        "&lt;script&gt;document.title='pwned'&lt;/script&gt;",
        f"</script\t><script>{PWN}</script>",
        f'"}}]}}</script><script>{PWN}</script>',
        "__proto__",
        "constructor",
        "toString",
        f"//127.0.0.1:{port}/leak.png",
        f"\\\\127.0.0.1:{port}\\leak.png",
        "../../../../etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "\u202egnp.exe\u2066\u2069\u200f",
        "\x00\x08\x1b[31m\x7f\x9b",
        "half \ud83d of a pair",
        "\u2028alert(1)\u2029",
        "a" * 3000,
        "Z̷̡͚͖" * 40,
        "',script-src 'unsafe-inline'; --",
    ]
    return [*closing, *handlers, *single, *addresses, *elements, *languages]
