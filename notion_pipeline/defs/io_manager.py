"""The IO manager: commits what the assets hand over, and gives tables to downstream assets."""

import typing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional, Union

import dagster as dg
import pyarrow as pa
from pydantic import Field

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.memory import few_collections
from notion_pipeline.catalog.read.tables import read_tables, tables_of_database
from notion_pipeline.defs.commits.database_commits import AlreadyCommitted, DatabaseReads, store_databases
from notion_pipeline.defs.commits.listing_commit import FoundListing, store_listing
from notion_pipeline.defs.content.comments import CommentReads, store_comments
from notion_pipeline.defs.content.files import FileReads, store_files
from notion_pipeline.defs.content.pages import StandalonePages, store_pages
from notion_pipeline.defs.content.reads import ContentReads
from notion_pipeline.defs.content.store import store_content
from notion_pipeline.defs.content.users import UserReads, store_users
from notion_pipeline.defs.failures import as_failure
from notion_pipeline.defs.resources import CatalogResource
from notion_pipeline.defs.runs.run_locks import shows_life
from notion_pipeline.state.interface import State


class CatalogIOManager(dg.ConfigurableIOManager):
    """Commits what the assets of a source hand over, and gives tables to the assets that depend on them."""

    catalog: dg.ResourceDependency[CatalogResource]
    #: What the processes of the project share; None: only the catalog is written.
    state: dg.ResourceDependency[Optional[State]]  # noqa: UP045
    source: str = Field(default="", description="Name of the source; empty: asset keys begin with it.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["CatalogIOManager"]:
        """Holds the lock by which a run shows that its process lives."""
        if context.run is None or self.state is None:
            yield self
            return
        with shows_life(self.state, context.run.run_id):
            yield self

    def handle_output(
        self,
        context: dg.OutputContext,
        obj: Union[  # noqa: UP007
            FoundListing,
            DatabaseReads,
            StandalonePages,
            ContentReads,
            UserReads,
            CommentReads,
            FileReads,
            AlreadyCommitted,
        ],
    ) -> None:
        """Commits a listing, or one database after another while the asset's reads go on; fails as `commits` says."""
        if isinstance(obj, AlreadyCommitted):
            return
        catalog = self.catalog.catalog(context.log.warning)
        with as_failure():
            if isinstance(obj, FoundListing):
                store_listing(context, catalog, obj, self.state)
                return
            if isinstance(obj, (StandalonePages, ContentReads, UserReads, CommentReads, FileReads)):
                with few_collections():
                    _store(context, catalog, obj)
                return
            # Who fails here stops the reads, which the asset cannot do before it is resumed.
            with obj.reading, few_collections():
                store_databases(context, catalog, obj, self.state)

    def load_input(self, context: dg.InputContext) -> Any:
        """A table as pyarrow, polars or pandas, by the input's annotation; pyarrow where there is none.

        Several tables, of several partitions or data sources, come as one, united by column name with the table's name
        in `_table`; annotated as a dict, one each by partition key. Input metadata `{"table": name}` picks one.
        """
        with as_failure():
            return self._load(context)

    def _load(self, context: dg.InputContext) -> Any:
        wanted = context.dagster_type.typing_type
        source, asset = self._asset(context)
        catalog = self.catalog.catalog(context.log.warning if context.log else _silent)
        by_key: dict[str, list[str]]
        with catalog.reading() as connection:
            if asset == "databases" or not context.has_asset_partitions:
                by_key = {"": [f"{asset}"]}
            else:
                by_key = {key: tables_of_database(connection, source, key) for key in context.asset_partition_keys}
            if (only := (context.definition_metadata or {}).get("table")) is not None:
                by_key = {key: [name for name in names if name == only] for key, names in by_key.items()}
            if wanted is dict or typing.get_origin(wanted) is dict:
                kind = (typing.get_args(wanted) or (str, None))[1]
                return {key: _shaped(read_tables(connection, source, names), kind) for key, names in by_key.items()}
            names = [name for found in by_key.values() for name in found]
            return _shaped(read_tables(connection, source, names), wanted)

    def _asset(self, context: dg.InputContext) -> tuple[str, str]:
        """Source and table of an asset, whose key may be one that a host gave it."""
        if not self.source:
            source, asset = context.asset_key.path
            return source, asset
        upstream = context.upstream_output
        table = ((upstream.definition_metadata if upstream else None) or {}).get("dagster/table_name")
        return self.source, table.split(".", 1)[1] if isinstance(table, str) else context.asset_key.path[-1]


def _store(
    context: dg.OutputContext,
    catalog: Catalog,
    reads: Union[StandalonePages, ContentReads, UserReads, CommentReads, FileReads],  # noqa: UP007
) -> None:
    if isinstance(reads, StandalonePages):
        store_pages(context, catalog, reads)
    elif isinstance(reads, ContentReads):
        store_content(context, catalog, reads)
    elif isinstance(reads, FileReads):
        store_files(context, catalog, reads)
    elif isinstance(reads, UserReads):
        store_users(context, catalog, reads)
    else:
        store_comments(context, catalog, reads)


def _shaped(table: pa.Table, wanted: Any) -> Any:
    module = getattr(wanted, "__module__", "") or ""
    if module.startswith("polars"):
        import polars  # noqa: PLC0415 - only where installed

        return polars.from_arrow(table)
    if module.startswith("pandas"):
        return table.to_pandas()
    return table


def _silent(_: str) -> None:
    return None
