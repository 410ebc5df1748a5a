"""Keeps the tables of each source in a small document, from which Dagster's definitions are made.

Definitions are loaded without network and without the catalog, and yet each table is an asset with a name. So whoever
has changed the catalog writes it into the shared state. It is a copy: the next sync makes it again if it is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from notion_pipeline.state.interface import State


@dataclass(frozen=True)
class SyncedTable:
    """A table of the catalog, with its data source and database.

    Attributes:
        name: Without the schema, which is the source.
        description: The database's description in Notion.
        data_source: Name of the data source; usually the database's title if it is the only one.
        in_sync: Whether its database is selected and accessible, so that it has a partition.
        gone: Why Notion does not show it any more, in words that follow "it is"; empty if it does.
        keys: The keys of `streams` in sources.yaml that mean its database, whatever its title is now.
        partition: Key of its database among the partitions of `S/database`.
        columns: Name, DuckDB type and comment of each; none before a sync makes the table.
        synced: Whether the catalog already has the table; a listing names it before a sync makes it.
    """

    name: str
    database_id: str
    data_source_id: str
    title: str
    url: str
    description: str
    data_source: str
    in_sync: bool
    gone: str = ""
    keys: tuple[str, ...] = ()
    partition: str = ""
    synced: bool = True
    columns: tuple[tuple[str, str, str | None], ...] = ()


def save_tables(state: State, source: str, tables: Sequence[SyncedTable]) -> None:
    """Replaces the kept tables of a source.

    Raises:
        StagingError: The state cannot be used.
        OSError: Its file cannot be written.
    """
    state.write(_key(source), dump_tables(tables))


def load_tables(state: State, source: str) -> list[SyncedTable]:
    """The kept tables of a source; none if there are none, or another version wrote them."""
    content = state.read(_key(source))
    return parse_tables(content) if content is not None else []


def tables_noted_at(state: State, source: str) -> float:
    """When the tables of a source were last kept, in epoch seconds by the state's clock; 0 if they were not."""
    return state.written_at(_key(source)) or 0.0


def dump_tables(tables: Sequence[SyncedTable]) -> bytes:
    """Tables as `parse_tables` reads them."""
    return orjson.dumps([asdict(table) for table in tables])


def parse_tables(content: bytes) -> list[SyncedTable]:
    """The tables in what `dump_tables` made; none if another version made it."""
    try:
        return [_table(entry) for entry in orjson.loads(content)]
    except (ValueError, TypeError, AttributeError):
        return []


def _table(entry: dict[str, Any]) -> SyncedTable:
    columns = tuple((name, kind, comment) for name, kind, comment in entry.get("columns", ()))
    return SyncedTable(**{**entry, "keys": tuple(entry.get("keys", ())), "columns": columns})


def _key(source: str) -> str:
    return f"tables/{source}.json"
