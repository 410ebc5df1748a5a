"""Resolves the names in sources.yaml to databases and properties: once against what Notion shows, then by id.

Anybody who may edit a database or a property can rename it. It must keep its settings then, above all where it is
deselected or excluded: the first thing that a name matches is what it means from then on. Globs are rules, not names,
and match the titles of today. The catalog keeps the result; nothing here opens it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notion_pipeline.config.content import CONTENT_SELECT
from notion_pipeline.config.selection import (
    DATABASES_STREAM,
    DatabaseName,
    bears,
    find_databases,
    is_a_typo_of,
    is_glob,
    is_id,
    named_id,
)
from notion_pipeline.config.sources import KnownNames, Source
from notion_pipeline.errors import NotionNotFoundError
from notion_pipeline.listing.exclusions import named, resolve_properties
from notion_pipeline.listing.listed import KnownDatabase, ListedDatabase, ListingFailure
from notion_pipeline.messages import nearest, quoted
from notion_pipeline.rows.naming import slug


@dataclass(frozen=True)
class Unmatched:
    """An entry that matches no database.

    Attributes:
        key: `select`, `deselect`, `streams` or `content.select`.
        near: The title or table that was probably meant.
        is_mistake: Whether it was meant for one database; a glob may be meant for none.
    """

    key: str
    entry: str
    near: str | None
    is_mistake: bool

    def __str__(self) -> str:
        return f"{self.key} {quoted(self.entry)}"

    def sentence(self) -> str:
        hint = f'; nearest is "{self.near}"' if self.near else ""
        return f"{self} matches no database that the connection sees{hint}."


@dataclass(frozen=True)
class Resolution:
    """The names of one source, resolved.

    Attributes:
        source: The source that knows what its names mean.
        names: The same, to be kept.
        unmatched: Entries that fit no database.
        renamed: What is called otherwise in Notion than in sources.yaml, and what took over such a name, in sentences.
        held_back: Why a database must not be read, by its id.
    """

    source: Source
    names: KnownNames
    unmatched: tuple[Unmatched, ...]
    renamed: tuple[str, ...]
    held_back: Mapping[str, str]

    @property
    def mistakes(self) -> list[str]:
        """A sentence for `check` for each entry that matches nothing and was meant for one database."""
        return [entry.sentence() for entry in self.unmatched if entry.is_mistake]


def table_words(source: Source, tables: Iterable[str], title: str) -> tuple[str, ...]:
    """The tables of a database, in each form in which people write them.

    Args:
        tables: Without the schema; where there are none yet, the one that the title would give.
    """
    words = []
    for table in [*tables] or [source.table_prefix + slug(title)]:
        words += [table, table.removeprefix(source.table_prefix) or table, f"{source.name}.{table}"]
    return tuple(dict.fromkeys(words))


def known_database_name(source: Source, database: KnownDatabase) -> DatabaseName:
    """All that a database may be called by, as the catalog has it."""
    members = tuple(key for key, _ in database.data_sources)
    words = table_words(source, database.tables, database.title)
    return DatabaseName(database.id, database.title, members, words, table_words(source, (), database.title))


def listed_name(source: Source, database: ListedDatabase, former: KnownDatabase | None) -> DatabaseName:
    """All that a listed database may be called by.

    Args:
        former: The database as the catalog has it.
    """
    words = table_words(source, former.tables if former else (), database.title)
    members = tuple(member.id for member in database.data_sources)
    former_titles = [former.title] if former and former.title else []
    return DatabaseName(
        database.id, database.title, members, words, (*former_titles, *table_words(source, (), database.title))
    )


def resolve_listing(
    source: Source,
    databases: Sequence[ListedDatabase],
    before: Mapping[str, KnownDatabase],
    known: KnownNames,
    failures: Sequence[ListingFailure] = (),
) -> Resolution:
    """Resolves the names of a source by a listing.

    Args:
        before: The databases as the catalog has them, by id.
        known: What was found before.
        failures: The databases that could not be listed; a name may mean one of them.
    """
    names = [listed_name(source, database, before.get(database.id)) for database in databases]
    for failure in failures:
        former = before.get(failure.id)
        words = table_words(source, former.tables if former else (), failure.title)
        names.append(DatabaseName(failure.id, failure.title, failure.data_sources, words))
    schemas = {database.id: [member.raw for member in database.data_sources] for database in databases}
    return resolve(source, names, known, schemas)


def resolve(
    source: Source,
    databases: Sequence[DatabaseName],
    known: KnownNames,
    schemas: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> Resolution:
    """Resolves the names of a source by the current databases.

    Args:
        known: What was found before.
        schemas: Data sources by database id, as Notion gives them; None where their properties do not matter.
    """
    resolving = _Resolving(databases, known)
    for key, entry in _entries(source):
        resolving.add(key, entry)
    bound = source.knowing(KnownNames(resolving.found, known.properties))
    properties = dict(known.properties)
    for database in databases:
        if schemas is not None and (data_sources := schemas.get(database.id)):
            resolving.renamed += resolve_properties(bound, database, data_sources, properties)
    bound = source.knowing(KnownNames(resolving.found, properties))
    moved = {database.id: bound.excluded_before(database.id, database.data_source_ids) for database in databases}
    kept = {key: ids for key, ids in resolving.found.items() if key not in resolving.unclear}
    return Resolution(
        source=source.knowing(KnownNames(resolving.found, properties, moved)),
        names=KnownNames(kept, properties),
        unmatched=tuple(resolving.unmatched),
        renamed=tuple(resolving.renamed),
        held_back=resolving.held_back(),
    )


def nothing_selected(resolution: Resolution, visible: int) -> str:
    """Why a source selects none of the visible databases; empty where that is meant, or none is visible.

    Args:
        visible: How many databases the connection sees.
    """
    source = resolution.source
    if not visible or (source.select and all(entry == DATABASES_STREAM for entry in source.select)):
        return ""
    head = f"sources.yaml selects none of the {visible:,} databases that the connection sees"
    lost = [entry.sentence() for entry in resolution.unmatched if entry.key == "select"]
    if not source.select:
        return f"{head}: select is empty."
    if lost:
        return f"{head}. {' '.join(lost)}"
    why = "deselect takes all of them out" if source.deselect else "what select names is not among them"
    return f"{head}: {why}."


def _entries(source: Source) -> Iterator[tuple[str, str]]:
    for key in ("select", "deselect", "streams"):
        for entry in getattr(source, key):
            if entry not in ("*", DATABASES_STREAM):
                yield key, entry
    for entry in source.content.select if source.content else ():
        if entry != "*":
            yield CONTENT_SELECT, entry


class _Resolving:
    """Resolves the entries of one source one by one."""

    def __init__(self, databases: Sequence[DatabaseName], known: KnownNames) -> None:
        self._databases = databases
        self._by_id = {database.id: database for database in databases}
        self._known = known
        self.found: dict[tuple[str, str], frozenset[str]] = {}
        #: Keys that fit several databases, and are not kept for that.
        self.unclear: set[tuple[str, str]] = set()
        self.unmatched: list[Unmatched] = []
        self.renamed: list[str] = []
        #: Databases that bear the title of a key of `streams` that means another one, which bears it too.
        self._namesakes: dict[str, str] = {}

    def add(self, key: str, entry: str) -> None:
        before = self._known.databases.get((key, entry), frozenset())
        present = [self._by_id[database_id] for database_id in sorted(before) if database_id in self._by_id]
        today = find_databases(entry, self._databases, globs=False)
        taken_over = [database for database in today if database.id not in before]
        if before and (present or not today):
            # A database deselected by name stays out when it is renamed, and so does another that takes the name.
            self.found[key, entry] = before | {database.id for database in taken_over if key == "deselect"}
            self._tell(key, entry, present, taken_over)
        elif today:
            self.found[key, entry] = before | {database.id for database in today}
            if key == "streams" and len(today) > 1:
                self.unclear.add((key, entry))
            self._tell(key, entry, today, [])
            if before:
                self.renamed.append(
                    f"{key} {quoted(entry)} means {named(today[0])} now; what it meant before cannot be seen any more."
                )
        elif key == "streams" or not is_glob(entry) or not find_databases(entry, self._databases):
            self._note_unmatched(key, entry)

    def _note_unmatched(self, key: str, entry: str) -> None:
        titles = [database.title for database in self._databases if database.title]
        typos = (title for title in titles if is_a_typo_of(entry, title))
        near = next(typos, None) or nearest(entry, [*titles, *(name for d in self._databases for name in d.names)])
        is_rule = key != "streams" and is_glob(entry)
        is_out_of_sight = key == "deselect" and is_id(entry)
        self.unmatched.append(
            Unmatched(key, entry, None if is_id(entry) else near, is_mistake=not is_rule and not is_out_of_sight)
        )

    def _tell(self, key: str, entry: str, present: Sequence[DatabaseName], taken_over: Sequence[DatabaseName]) -> None:
        """Notes that a database has another name than in sources.yaml, and that another one took its name."""
        self.renamed += [
            f"{key} {quoted(entry)} means {named(database)}, as it is called in Notion now."
            for database in present
            if not bears(entry, database)
        ]
        still_called_so = [database for database in present if bears(entry, database)]
        for database in taken_over:
            if key == "streams" and still_called_so:
                self._namesakes[database.id] = (
                    f"the settings under streams {quoted(entry)} of sources.yaml belong to "
                    f"{named(still_called_so[0])}, and {named(database)} is called so too: it is not read before it "
                    "is clear which one is meant. Key the settings by the id of the one that is meant, or give this "
                    "one a key of its own."
                )
            meant = f"it means {' and '.join(map(named, present))}" if present else "what it means is out of sight"
            also = "which is left out as well" if key == "deselect" else "which it does not mean"
            self.renamed.append(
                f"{key} {quoted(entry)}: {meant}, and {named(database)} is called so too, {also}. "
                "Name the one that is meant by its id."
            )

    def held_back(self) -> dict[str, str]:
        """Why databases are not read: namesakes of one with settings, and near matches of an unmatched `deselect`."""
        wanted = {found for (key, _), ids in self.found.items() if key == "select" for found in ids}
        has_settings = {found for (key, _), ids in self.found.items() if key == "streams" for found in ids}
        namesakes = {key: reason for key, reason in self._namesakes.items() if key not in has_settings}
        return namesakes | {
            database.id: (
                f"{entry} of sources.yaml fits no database, and this one is called nearly so: it is not read before "
                "that entry is mended. Write the title as it is in Notion, or the id; or take the entry out, or name "
                "this database in select, where it is not meant."
            )
            for entry in self.unmatched
            if entry.key == "deselect" and entry.is_mistake
            for database in self._databases
            if database.id not in wanted and is_a_typo_of(entry.entry, database.title)
        }


def fails_a_sync(source: Source, failure: ListingFailure) -> bool:
    """Whether a sync fails for a database that could not be listed, since it was to be read.

    Args:
        source: That knows what its names mean.
    """
    if isinstance(failure.error, NotionNotFoundError) and not failure.is_kept:
        # Settings may outlive their database; a selection by its id asks for it.
        return failure.id in {named_id(entry) for entry in source.select}
    return source.selects(failure.id, failure.title)
