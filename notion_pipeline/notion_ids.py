"""Ids from outside: each becomes a dashed UUID here, or is refused, before a path, a URL or a name is made of it."""

from __future__ import annotations

import re

from notion_pipeline.errors import InvalidIdError

#: Characters of a refused id that a message repeats.
LONGEST_QUOTE = 80
#: An id in a regular expression, with its first groups, for `dashed`.
ID_FORM = r"([0-9a-f]{8})(-?)([0-9a-f]{4})\2([0-9a-f]{4})\2([0-9a-f]{4})\2([0-9a-f]{12})"
_ID = re.compile(ID_FORM, re.IGNORECASE)
_SEPARATOR = re.compile(r"[/\\]")


def normalise_id(text: str) -> str | None:
    """The Notion id in lower case with dashes, None where the text is no id."""
    match = _ID.fullmatch(text.strip())
    return dashed(match) if match else None


def dashed(match: re.Match[str]) -> str:
    """The id that `ID_FORM` found, in lower case with dashes."""
    return "-".join(match.group(1, 3, 4, 5, 6)).lower()


def notion_id(found: object, what: str) -> str:
    """The id of a database, data source or page in lower case with dashes.

    Args:
        found: As an answer, a file or the catalog has it.
        what: What it is the id of, with an article (`a data source`), for the message.

    Raises:
        InvalidIdError: It is none.
    """
    known = normalise_id(found) if isinstance(found, str) else None
    if known is None:
        raise _refusal(found, what)
    return known


def property_id(found: str) -> str:
    """A property's id, decoded, fit to be one segment of a URL's path once it is encoded.

    Property ids are any text (`title`, `a/b%`), but none leads to another path.

    Raises:
        InvalidIdError: It would.
    """
    if not found or not found.isprintable() or {".", ".."} & set(_SEPARATOR.split(found)):
        raise _refusal(found, "a property")
    return found


def _refusal(found: object, what: str) -> InvalidIdError:
    shown = repr(found)  # which escapes whatever a terminal would obey
    shown = shown if len(shown) <= LONGEST_QUOTE else f"{shown[: LONGEST_QUOTE - 1]}…"
    return InvalidIdError(
        f"{what} has the id {shown}, which is none that Notion gives; nothing is read of it.",
        hint="Check that NOTION_API_URL, and whatever is in between, is Notion's; then sync again, or leave the "
        "database out with `deselect`.",
    )
