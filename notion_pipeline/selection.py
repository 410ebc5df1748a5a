"""Which database an entry of sources.yaml means: by title, by glob on the title, by id or by stream name.

The id is the key and the title a label, so an id always names one database and a title may name several. Titles
are compared after Unicode composition and without the blanks round them, since neither shows on a screen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase

from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.wording import quoted

DATABASES_STREAM = "databases"
"""The stream that lists the databases. As an entry it is valid and names no database."""

_STREAM_PREFIX = "database_"


def stream_name(database_id: str) -> str:
    """The name under which users know the stream of a database."""
    return f"{_STREAM_PREFIX}{normalise_id(database_id) or database_id}"


def named_id(entry: str) -> str | None:
    """The database id that an entry names, as such or as a stream name; None where it is a title or a glob."""
    return normalise_id(entry.strip().removeprefix(_STREAM_PREFIX))


def names_database(key: str, database_id: str, title: str) -> bool:
    """Whether a key of `streams` names this database: its id, its stream name or its exact title."""
    if key == DATABASES_STREAM:
        return False
    return names_by_id(key, database_id) or _label(key) == _label(title)


def names_by_id(key: str, database_id: str) -> bool:
    """Whether an entry names this database by id or stream name, which no other database can share."""
    return named_id(key) == (normalise_id(database_id) or database_id)


def matches_database(entry: str, database_id: str, title: str) -> bool:
    """Whether an entry of `select` or `deselect` fits this database."""
    if entry == DATABASES_STREAM:
        return False
    # Equality first: a title such as "Plan [2024]" is found as it stands, though its brackets are a glob's.
    return names_database(entry, database_id, title) or fnmatchcase(_label(title), _label(entry))


def ambiguities(keys: Iterable[str], databases: Iterable[tuple[str, str]]) -> list[str]:
    """What is not one to one between keys of `streams` and the databases of a listing (id and title each)."""
    return [problem for _, problem in ambiguous(keys, databases)]


def ambiguous(keys: Iterable[str], databases: Iterable[tuple[str, str]]) -> list[tuple[tuple[str, ...], str]]:
    """The same, each with the ids of the databases that it is about."""
    databases_of: dict[str, list[str]] = {}
    keys_of: dict[str, list[str]] = {}
    listing = list(databases)
    for key in keys:
        for database_id, title in listing:
            if names_database(key, database_id, title):
                databases_of.setdefault(key, []).append(database_id)
                keys_of.setdefault(database_id, []).append(key)
    return [
        (
            tuple(ids),
            f"streams[{quoted(key)}]: fits {len(ids)} databases, {' and '.join(ids)}; "
            "name the one that is meant by its id",
        )
        for key, ids in databases_of.items()
        if len(ids) > 1
    ] + [
        ((database_id,), f"streams: {' and '.join(map(quoted, same))} both fit database {database_id}; keep one")
        for database_id, same in keys_of.items()
        if len(same) > 1
    ]


def _label(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
