"""Names and texts as SQL takes them. Values are bound; what cannot be bound passes through here."""

from __future__ import annotations


def quote(*names: str) -> str:
    """A dotted name, each part in double quotes."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def text(value: str) -> str:
    """A string literal, for the few statements that bind no parameters (COMMENT)."""
    return "'" + value.replace("'", "''") + "'"
