"""Text and addresses that come from outside, made fit to be shown: titles, names, messages of servers, links.

Whoever may rename a page writes into our terminals, logs and pages. Data is stored as it came; what is printed passes
`shown`, what is linked passes `web_address`, what goes into Markdown `markdown_text`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

REPLACEMENT = "\ufffd"
# What turns the reading order round, for as long as the line goes on: it makes a text say what it does not.
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSHOWABLE = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufff9-\ufffb\ud800-\udfff{_BIDI}]")
# Beside the signs, what GitHub's Markdown makes a link of by itself.
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|~&@]|:(?=//)|(?<=www)\.", re.IGNORECASE)
_WEB = ("http", "https")
# What ends an address in Markdown, or a cell of a table.
_ENDS_A_LINK = {ord(char): f"%{ord(char):02X}" for char in "()<>[]|\\\"'` "}


def shown(text: str) -> str:
    """The text without what steers a terminal or hides what it says; lines and tabs stay."""
    return _UNSHOWABLE.sub(REPLACEMENT, text.replace("\r\n", "\n"))


def shown_line(text: str) -> str:
    """The same on one line, its blanks made single."""
    return " ".join(shown(" ".join(text.split())).split())


def shown_json(value: Any) -> str:
    """A value as JSON of several lines that reads back as it was: what is not to be shown is escaped."""
    dumped = json.dumps(value, ensure_ascii=False, indent=2)
    return _UNSHOWABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", dumped)


def web_address(text: str) -> str:
    """The address where a browser may be sent to it; empty for everything that is not plain http or https."""
    address = text.strip()
    if any(unicodedata.category(char)[0] in "CZ" for char in address):
        return ""
    try:
        parts = urlsplit(address)
        is_of_the_web = parts.scheme in _WEB and bool(parts.hostname)
    except ValueError:
        return ""
    return address if is_of_the_web else ""


def markdown_text(text: str) -> str:
    """The text as Markdown shows it word for word, on one line: no links, no HTML, no cells of its own."""
    return _MARKDOWN.sub(r"\\\g<0>", shown_line(text))


def markdown_link(text: str, address: str) -> str:
    """The text with an address behind it: one of the web, or a path of the page's own server; else the text alone."""
    is_path = address.startswith("/") and not address.startswith("//")
    behind = address if is_path else web_address(address)
    words = markdown_text(text)
    return f"[{words}]({behind.translate(_ENDS_A_LINK)})" if behind else words
