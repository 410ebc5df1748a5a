"""Keys of a source's assets: `S/databases`, `S/database`, `S/sync` and `S/<table>`, or what a host translates them to.

Definitions are made of these keys, and the events of a sync name the same ones, also those of tables that it makes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Optional

import dagster as dg

from notion_pipeline.catalog.read.table_index import SyncedTable


@dataclass(frozen=True)
class TranslatedAsset:
    """What a translation goes by.

    Attributes:
        source: Name of the source.
        table: Name of the table; `databases`, `database` or `sync` for the three assets that stand for no single table.
        title: Title of the Notion database; empty for those three, as all that follows is.
        data_source: Name of the data source.
        database_id: Id of the Notion database.
        url: Its address in Notion.
    """

    source: str
    table: str
    title: str = ""
    data_source: str = ""
    database_id: str = ""
    url: str = ""


Translation = Callable[[dg.AssetSpec, TranslatedAsset], dg.AssetSpec]


@dataclass(frozen=True)
class AssetKeys:
    """The keys of a source's assets.

    Attributes:
        tables: Those that a listing or a sync has named so far.
        translation: Gives an asset another key, group, description and so on; None keeps ours.
    """

    source: str
    tables: tuple[SyncedTable, ...] = ()
    translation: Optional[Translation] = None  # noqa: UP045
    _found: dict[str, dg.AssetKey] = field(default_factory=dict, repr=False, compare=False)

    @property
    def databases(self) -> dg.AssetKey:
        return self.key("databases")

    @property
    def database(self) -> dg.AssetKey:
        return self.key("database")

    @property
    def sync(self) -> dg.AssetKey:
        """The asset that stands for a whole sync."""
        return self.key(self.sync_name)

    @property
    def sync_name(self) -> str:
        """`sync`, or what stands for it."""
        return self.free_name("sync")

    def free_name(self, name: str) -> str:
        """A name of an asset that is no table of rows, with a `_` where such a table has held it since long."""
        while name in self._by_name:
            name += "_"
        return name

    def key(self, name: str) -> dg.AssetKey:
        """Key of a table, or of one of the three other assets.

        Translations see the key and the data alone here, so that events name the same key as definitions do.
        """
        if name not in self._found:
            self._found[name] = self._translated(name, dg.AssetSpec([self.source, name])).key
        return self._found[name]

    def spec(self, name: str, spec: dg.AssetSpec) -> dg.AssetSpec:
        """An asset as the host wants it, under the key that events name."""
        ours = spec.replace_attributes(key=dg.AssetKey([self.source, name]))
        return self._translated(name, ours).replace_attributes(key=self.key(name))

    def knowing(self, tables: Iterable[SyncedTable]) -> "AssetKeys":
        """The same keys, with tables that were named since."""
        more = [table for table in tables if table.name not in self._by_name]
        return replace(self, tables=(*self.tables, *more), _found={}) if more else self

    @cached_property
    def _by_name(self) -> dict[str, SyncedTable]:
        return {table.name: table for table in self.tables}

    def _translated(self, name: str, spec: dg.AssetSpec) -> dg.AssetSpec:
        if self.translation is None:
            return spec
        table = self._by_name.get(name)
        data = TranslatedAsset(self.source, name)
        if table is not None:
            data = TranslatedAsset(self.source, name, table.title, table.data_source, table.database_id, table.url)
        return self.translation(spec, data)
