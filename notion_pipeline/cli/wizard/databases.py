"""The databases that an account sees, found by a text: an entry of sources.yaml, a flag or an answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from notion_pipeline.cli.stream_search import nearest_titles
from notion_pipeline.cli.wizard.draft import Draft
from notion_pipeline.config.selection import DATABASES_STREAM, DatabaseName
from notion_pipeline.config.sources import KnownNames, Source
from notion_pipeline.errors import ConfigError
from notion_pipeline.listing.listed import KnownDatabase, ListedDatabase
from notion_pipeline.listing.resolution import Resolution, listed_name, resolve_listing
from notion_pipeline.messages import quoted
from notion_pipeline.rows.naming import NamedDatabase, table_names

_GLOB = frozenset("*?[")


@dataclass(frozen=True)
class InCatalog:
    """What the catalog knows of a source; nothing of a new one.

    Attributes:
        databases: Those that the last listing saw, by id.
        names: What the names in sources.yaml were found to mean.
        tables: Table by data source id, of those that have one.
        foreign_tables: Tables of the source's schema that are not ours.
        rows: Rows by database id, of those that were synced.
    """

    databases: Mapping[str, KnownDatabase] = field(default_factory=dict)
    names: KnownNames = field(default_factory=KnownNames)
    tables: Mapping[str, str] = field(default_factory=dict)
    foreign_tables: Collection[str] = ()
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class AccountDatabases:
    """What the account sees, and by which names.

    Attributes:
        listed: The databases, in the listing's order.
        names: All that each may be called by.
        resolution: What the names of the source mean as sources.yaml has it now.
    """

    listed: Sequence[ListedDatabase]
    names: Sequence[DatabaseName]
    resolution: Resolution
    catalog: InCatalog = field(default_factory=InCatalog)

    @classmethod
    def of(cls, source: Source, listed: Sequence[ListedDatabase], catalog: InCatalog) -> AccountDatabases:
        """By the source as sources.yaml has it, and what the catalog knows of it."""
        names = [listed_name(source, database, catalog.databases.get(database.id)) for database in listed]
        return cls(listed, names, resolve_listing(source, listed, catalog.databases, catalog.names), catalog)

    @property
    def titles(self) -> dict[str, str]:
        return {database.id: database.title for database in self.listed}

    def fitting(self, key: str, entry: str) -> set[str]:
        """Ids of the databases that an entry of `select` or `deselect` means; the kept ids win over names."""
        kept = self.resolution.names.databases.get((key, entry))
        if kept is not None:
            return {database.id for database in self.listed if database.id in kept}
        return self._called(entry)

    def _called(self, text: str, *, globs: bool = True) -> set[str]:
        found = self.resolution.source.databases_called(text, self.names, globs=globs)
        return {database.id for database in found}

    def one(self, text: str) -> ListedDatabase:
        """The database that a text means: a title, an id, an address, a stream name or a table.

        Raises:
            ConfigError: None, or several.
        """
        meant = self._called(text, globs=False)
        found = [database for database in self.listed if database.id in meant]
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError(
                f"{len(found)} databases are called {quoted(text)}.",
                hint=f"Name one by its id: {', '.join(database.id for database in found)}.",
            )
        raise ConfigError(f"No database that the account sees is called {quoted(text)}.{self._nearest(text)}")

    def entries(self, texts: Iterable[str]) -> list[str]:
        """Texts as entries of `select` or `deselect`: titles as ids, globs as they are.

        Raises:
            ConfigError: One fits no database that the account sees.
        """
        found: list[str] = []
        for text in texts:
            exact = self._called(text, globs=False)
            if not exact and text not in ("*", DATABASES_STREAM) and not self._called(text):
                raise ConfigError(f"No database that the account sees fits {quoted(text)}.{self._nearest(text)}")
            found += [database.id for database in self.listed if database.id in exact] or [text]
        return list(dict.fromkeys(found))

    def _nearest(self, text: str) -> str:
        near = nearest_titles(text, self.titles.values())
        return f" Nearest: {', '.join(map(quoted, near))}." if near else ""

    def selected(self, draft: Draft) -> list[ListedDatabase]:
        """The databases that are synced under a draft."""
        wanted = self._fitting_any("select", draft) - self._fitting_any("deselect", draft)
        return [database for database in self.listed if database.id in wanted]

    def deselected(self, draft: Draft) -> list[ListedDatabase]:
        """The databases that an entry of `deselect` leaves out."""
        left_out = self._fitting_any("deselect", draft)
        return [database for database in self.listed if database.id in left_out]

    def _fitting_any(self, key: str, draft: Draft) -> set[str]:
        return {found for entry in draft.list_of(key) for found in self.fitting(key, entry)}

    def changed_selection(
        self, select: Sequence[str], deselect: Sequence[str], wanted: Collection[str]
    ) -> tuple[list[str], list[str]]:
        """Entries of `select` and `deselect` under which, of the listed databases, those of `wanted` are synced.

        What was written stays where it can: a glob while something that it fits is wanted, and entries that fit
        nothing that is listed, since a database may not be visible today.

        Args:
            wanted: Database ids.
        """
        fits = {entry: self.fitting("select", entry) for entry in select}
        leaves_out = {entry: self.fitting("deselect", entry) for entry in deselect}

        def stays(entry: str) -> bool:
            found = fits[entry]
            return not found or found <= set(wanted) or bool(_GLOB & set(entry) and found & set(wanted))

        kept = [entry for entry in select if stays(entry)]
        left_out = [entry for entry in deselect if not leaves_out[entry] & set(wanted)]
        covered = {key for entry in kept for key in fits[entry]}
        unwanted = covered - set(wanted) - {key for entry in left_out for key in leaves_out[entry]}
        ids = list(self.titles)
        return (
            [*kept, *(key for key in ids if key in wanted and key not in covered)],
            [*left_out, *(key for key in ids if key in unwanted)],
        )

    def tables(self, draft: Draft) -> dict[str, str]:
        """The table of each database's first data source, as a sync would name it, by database id."""
        named = [
            NamedDatabase(
                database.id,
                database.title,
                tuple((member.id, member.name) for member in database.data_sources),
                draft.stream(database.id, database.title).get("table"),
            )
            for database in self.listed
        ]
        tables = table_names(
            named,
            held=self.catalog.tables,
            foreign=self.catalog.foreign_tables,
            prefix=str(draft.get("table_prefix") or ""),
        ).tables
        return {database.id: tables[database.data_sources[0].id] for database in self.listed if database.data_sources}
