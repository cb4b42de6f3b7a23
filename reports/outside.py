"""Keep a page from asking anybody outside: strip what does, forbid the rest, and check.

Every report of Allure 3 loads an analytics script when it is opened, and has no switch for it. The
script's elements are removed; a content security policy then makes the browser refuse all that is
not in the file; and what a browser would load is looked for once more in the result.
"""

from __future__ import annotations

import base64
import binascii
import re
from html.parser import HTMLParser

POLICY = "default-src data: blob: 'unsafe-inline' 'unsafe-eval'; form-action 'none'"
"""All of the page is in the file: inline, as ``data:``, or made of that as ``blob:``."""

_META = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>\s*", re.DOTALL | re.IGNORECASE)
_OUTSIDE_SRC = re.compile(r"""\bsrc\s*=\s*["']?(?:https?:)?//""", re.IGNORECASE)
_ANALYTICS = re.compile(r"\bgtag\s*\(")
_ADDRESS = re.compile(r"\s*(?:https?:)?//\S", re.IGNORECASE)
_CSS_LOAD = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
_CODE_LOAD = re.compile(
    r"""(?:\b(?:fetch|import|importScripts|sendBeacon|Worker|EventSource|WebSocket)\s*\(|\.src\s*=)"""
    r"""\s*["'`]((?:https?:|wss?:)?//[^"'`\s]+)""",
)
_DATA_SCRIPT = re.compile(
    r"data:(?:text|application)/javascript[^,]*;base64,(.*)", re.DOTALL | re.IGNORECASE
)
_LOADING = {
    "audio": ("src",),
    "base": ("href",),
    "embed": ("src",),
    "form": ("action",),
    "frame": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
_ANALYTICS_BYTES = 4096


def keep_inside(page: str) -> str:
    """Return ``page`` without scripts from outside, and with the policy in its head."""
    stripped = _SCRIPT.sub(lambda found: "" if _asks_outside(found) else found[0], page)
    return re.sub(r"<head\b[^>]*>", lambda head: f"{head[0]}\n    {_META}", stripped, count=1)


def _asks_outside(script: re.Match[str]) -> bool:
    attributes, body = script[1], script[2]
    if _OUTSIDE_SRC.search(attributes):
        return True
    return len(body) < _ANALYTICS_BYTES and _ANALYTICS.search(body) is not None


def outside_addresses(page: str) -> list[str]:
    """Return what a browser would load from outside, each as ``<tag attribute> address``."""
    finder = _Finder()
    finder.feed(page)
    finder.close()
    return finder.found


def has_policy(page: str) -> bool:
    """Tell whether the page forbids the browser to load what is not in it."""
    return _META in page


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attrs:
            self._look_at(tag, name, value or "")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the signature is the parser's
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self._note("<style>", _CSS_LOAD.findall(data))
        elif self._inside == "script":
            self._note("<script>", _CODE_LOAD.findall(data))

    def _look_at(self, tag: str, name: str, value: str) -> None:
        if name == "style":
            self._note(f"<{tag} style>", _CSS_LOAD.findall(value))
        if name not in _LOADING.get(tag, ()):
            return
        if _ADDRESS.match(value) or (name == "srcset" and "//" in value and "data:" not in value):
            self._note(f"<{tag} {name}>", [value])
        if tag == "script":
            self._note(f"<{tag} {name}> (decoded)", _CODE_LOAD.findall(_decoded(value)))

    def _note(self, where: str, addresses: list[str]) -> None:
        self.found.extend(f"{where} {address.strip()}" for address in addresses)


def _decoded(value: str) -> str:
    """Return the program text inside a ``data:`` address, empty for any other."""
    found = _DATA_SCRIPT.match(value)
    if found is None:
        return ""
    try:
        return base64.b64decode(found[1]).decode("utf-8", "replace")
    except binascii.Error:
        return ""
