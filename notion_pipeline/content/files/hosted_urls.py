"""Addresses of files that Notion hosts, in running text: their signature differs in every answer, and expires."""

from __future__ import annotations

import re
from collections.abc import Iterator

# An address ends where Markdown or a tag's attribute ends it. Brackets and parentheses are encoded in addresses that
# Notion signs; `&amp;` stands for `&` in attributes.
_SIGNED = re.compile(
    r"(?P<address>https?://[^\s\"'<>()\[\]?]+)\?(?=[^\s\"'<>()\[\]]*(?:X-Amz-(?:Signature|Credential)|[?&;]signature)=)"
    r"[^\s\"'<>()\[\]]*",
    re.IGNORECASE,
)


def without_signatures(text: str) -> str:
    """The text with the query of every signed address left out; other addresses keep theirs."""
    return _SIGNED.sub(lambda match: match["address"], text) if _may_hold_one(text) else text


def signed_addresses(text: str) -> Iterator[str]:
    """Every signed address, as it is written in the text."""
    return (match[0] for match in _SIGNED.finditer(text)) if _may_hold_one(text) else iter(())


def _may_hold_one(text: str) -> bool:
    # Most texts hold none, and `in` is a hundred times faster than the pattern.
    lowered = text.lower()
    return "x-amz-" in lowered or "signature=" in lowered
