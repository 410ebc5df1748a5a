"""Finds streams by any part of a title, a table or an id; those that begin with the words come first.

Case, accents and punctuation do not count. Every word of the query must be found somewhere; the best place counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from notion_pipeline.config.selection import is_id, named_id
from notion_pipeline.spelling import PLAIN_LETTERS

Thing = TypeVar("Thing")

_NO_WORD = re.compile(r"[\W_]+")
_STREAM_PREFIX = re.compile(r"^database_(?=[0-9a-f-]+$)", re.IGNORECASE)
_SHORTEST_ID_PART = 4


@dataclass(frozen=True)
class Searchable:
    """The texts by which a stream is found.

    Attributes:
        ids: Of its database and its data sources.
        names: Further names, of its tables and data sources.
    """

    title: str
    ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def folded(text: str) -> str:
    """The text in the form in which it is compared: lower case, no accents, one blank between words."""
    parts = unicodedata.normalize("NFKD", text.casefold()).translate(PLAIN_LETTERS)
    return _NO_WORD.sub(" ", "".join(char for char in parts if not unicodedata.combining(char))).strip()


def search(query: str, things: Iterable[Thing], describe: Callable[[Thing], Searchable]) -> list[Thing]:
    """The things that the query finds, the best first; all in their order where the query is empty.

    An address of Notion's, pasted whole, finds what it leads to.
    """
    listed = list(things)
    if not query.strip():
        return listed
    wanted = named_id(query)
    if wanted and not is_id(query) and any(folded(describe(thing).title) == folded(query) for thing in listed):
        wanted = None
    words = [wanted.replace("-", "")] if wanted else folded(_STREAM_PREFIX.sub("", query.strip())).split()
    if not words:  # no letter and no digit, such as an emoji: found as it is
        return [thing for thing in listed if query.strip() in describe(thing).title]
    scored = [(_score(words, describe(thing)), place, thing) for place, thing in enumerate(listed)]
    return [thing for _, _, thing in sorted((s for s in scored if s[0] is not None), key=lambda s: (s[0], s[1]))]


def nearest_titles(query: str, titles: Iterable[str], most: int = 3) -> list[str]:
    """The titles that a query without results probably meant."""
    by_folded = {folded(title): title for title in titles}
    words: dict[str, str] = {}
    for text, title in by_folded.items():
        for word in text.split():
            words.setdefault(word, title)
    near = [by_folded[text] for text in get_close_matches(folded(query), by_folded, n=most, cutoff=0.6)]
    near += [words[word] for word in get_close_matches(folded(query), words, n=most, cutoff=0.7)]
    return list(dict.fromkeys(near))[:most]


def _score(words: Sequence[str], thing: Searchable) -> tuple[int, int, int] | None:
    """Sorts the better before the worse: by kind of match, by its place in the title, shorter titles first.

    None where a word is nowhere to be found.
    """
    query, title = " ".join(words), folded(thing.title)
    names = [folded(name) for name in thing.names]
    ids = [identifier.replace("-", "").lower() for identifier in thing.ids]
    if query == title or query in ids:
        return 0, 0, len(title)
    if query in names:
        return 1, 0, len(title)
    if (place := f" {title}".find(f" {query}")) >= 0:
        return 2, place, len(title)
    places = [_place(word, title, names, ids) for word in words]
    if None in places:
        return None
    worst = max(place for place in places if place is not None)
    return 3 + worst, max(title.find(query), 0), len(title)


def _place(word: str, title: str, names: Sequence[str], ids: Sequence[str]) -> int | None:
    """Where a word is found: 0 begins a word of the title, 1 of a name, 2 within the title, 3 a name, 4 an id."""
    if f" {word}" in f" {title}":
        return 0
    if any(f" {word}" in f" {name}" for name in names):
        return 1
    if word in title:
        return 2
    if any(word in name for name in names):
        return 3
    if len(word) >= _SHORTEST_ID_PART and any(word in identifier for identifier in ids):
        return 4
    return None
