"""Finds the database that a text means: in sources.yaml, on the command line, in the Launchpad.

A database is named by its id, as `database_<id>`, by an address copied from Notion, as `Title-<id>` or `<id>?v=<view>`,
by the id of one of its data sources, by its title, by its table, or by a glob on titles. Only the most exact match
counts: the title `Plan [2024]` is not read as a glob if a database has that title. Case and accents count only where
they tell two databases apart. Titles are compared after Unicode composition and without blanks around them, since
neither shows on a screen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from fnmatch import fnmatchcase

from notion_pipeline.messages import quoted
from notion_pipeline.notion_ids import ID_FORM, dashed, normalise_id
from notion_pipeline.spelling import label, spelled

DATABASES_STREAM = "databases"
"""The stream that lists the databases. It is a valid entry, and names no database."""

_STREAM_PREFIX = re.compile(r"^database_", re.IGNORECASE)
#: The last part of an address: an id, alone or behind the title.
_ID_AT_END = re.compile(rf"(?:.*[-_\s])??{ID_FORM}", re.IGNORECASE | re.DOTALL)
_ADDRESS = re.compile(r"\w+://|([\w-]+\.)*notion\.(so|site|com)/", re.IGNORECASE)
_GLOB = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"\d+")
_TYPO_RATIO = 0.8


@dataclass(frozen=True)
class DatabaseName:
    """Everything by which a database can be named.

    Attributes:
        data_source_ids: Ids of its data sources; dashed, in lower case.
        names: Names of its tables, in every spelling.
        aliases: Names that count if nothing else fits, such as its title at the last listing.
    """

    id: str
    title: str
    data_source_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


def stream_name(database_id: str) -> str:
    """The name of a database's stream."""
    return f"database_{normalise_id(database_id) or database_id}"


def named_id(entry: str) -> str | None:
    """The id in an entry: alone, as a stream name, in an address, or behind a title; None if there is none.

    It is the id of a database or of a data source. The view in an address, `v=<id>`, is ignored.
    """
    if (found := _only_id(entry)) is not None:
        return found
    path = re.split(r"[?#]", entry.strip(), maxsplit=1)[0].rstrip("/")
    match = _ID_AT_END.fullmatch(path.rsplit("/", 1)[-1].strip())
    return dashed(match) if match else None


def is_id(entry: str) -> bool:
    """Whether an entry can only be an id or an address; `Title-<id>` may be a title as well."""
    if _only_id(entry) is not None or normalise_id(entry.split("?", maxsplit=1)[0]) is not None:
        return True
    return _ADDRESS.match(entry.strip()) is not None and named_id(entry) is not None


def is_glob(entry: str) -> bool:
    """Whether an entry has the signs of a glob, so that it may fit many titles or none."""
    return _GLOB.search(entry) is not None and named_id(entry) is None


def find_databases(entry: str, databases: Iterable[DatabaseName], *, globs: bool = True) -> list[DatabaseName]:
    """The databases that an entry means: all that fit in the most exact way that fits any.

    Args:
        globs: Whether the entry may be a glob on titles.
    """
    listed = list(databases)
    if entry == DATABASES_STREAM:
        return []
    named = named_id(entry)
    by_id = [found for found in listed if named in (found.id, *found.data_source_ids)]
    if is_id(entry):
        return by_id
    written, spelling = label(entry), spelled(entry)
    return (
        [found for found in listed if label(found.title) == written]
        or by_id
        or [found for found in listed if written in found.names]
        or [found for found in listed if spelled(found.title) == spelling]
        or [found for found in listed if spelling in map(spelled, found.names)]
        or [found for found in listed if spelling in map(spelled, found.aliases)]
        or [found for found in listed if globs and is_glob(entry) and fnmatchcase(spelled(found.title), spelling)]
    )


def names_database(key: str, database_id: str, title: str) -> bool:
    """Whether a key of `streams` fits this database, without regard to other databases."""
    return bool(find_databases(key, [_named(database_id, title)], globs=False))


def matches_database(entry: str, database_id: str, title: str) -> bool:
    """Whether an entry of `select` or `deselect` fits this database, without regard to other databases."""
    return bool(find_databases(entry, [_named(database_id, title)]))


def bears(entry: str, database: DatabaseName) -> bool:
    """Whether an entry names a database by its present id, title or table. The table must be spelled exactly."""
    named = named_id(entry)
    return (
        named in (database.id, *database.data_source_ids)
        or spelled(entry) == spelled(database.title)
        or label(entry) in database.names
    )


def same_name(first: str, second: str) -> bool:
    """Whether two texts are the same name."""
    return spelled(first) == spelled(second)


def ambiguous(
    keys: Iterable[str],
    databases: Iterable[tuple[str, str]],
    fits: Callable[[str, str, str], bool] = names_database,
) -> list[tuple[tuple[str, ...], str]]:
    """Keys of `streams` that fit several databases of a listing (id and title each), and databases with several keys.

    Args:
        fits: Whether a key means the database with an id and a title.

    Returns:
        For each problem the ids of its databases, and a message.
    """
    databases_of: dict[str, list[str]] = {}
    keys_of: dict[str, list[str]] = {}
    listing = list(databases)
    for key in keys:
        for database_id, title in listing:
            if fits(key, database_id, title):
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


def is_a_typo_of(entry: str, title: str) -> bool:
    """Whether an entry is nearly a title: almost the same letters, and the same numbers."""
    first, second = spelled(entry), spelled(title)
    return (
        _NUMBER.findall(first) == _NUMBER.findall(second)
        and SequenceMatcher(None, first, second).ratio() >= _TYPO_RATIO
    )


def _named(database_id: str, title: str) -> DatabaseName:
    return DatabaseName(normalise_id(database_id) or database_id, title)


def _only_id(entry: str) -> str | None:
    return normalise_id(_STREAM_PREFIX.sub("", entry.strip(), count=1))
