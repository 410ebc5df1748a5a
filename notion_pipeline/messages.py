"""How messages show what they found: on one line, short, and with the word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from notion_pipeline.outside import shown_json

_LONGEST_ECHO = 60


def quoted(value: object) -> str:
    """A value in the words of YAML, cut where it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = shown_json(value if isinstance(value, (str, bool, int, float)) else str(value))
    return text if len(text) <= _LONGEST_ECHO else f"{text[: _LONGEST_ECHO - 1]}…"


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant, None where none is near."""
    by_lower_case = {known.lower(): known for known in words}
    near = get_close_matches(word.lower(), list(by_lower_case), n=1)
    return by_lower_case[near[0]] if near else None
