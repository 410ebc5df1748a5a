"""The tables that syncs have made, kept as a small file beside the listings: Dagster's definitions are made of it.

Definitions are loaded without network and without the catalog, and yet each table is to be an asset with a name. So who
has just changed the catalog writes down what stands in it. The file is a copy: lost, it is made anew by the next sync.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from notion_pipeline.private_files import private_directory, write_private


@dataclass(frozen=True)
class SyncedTable:
    """A table of the catalog, and the data source and database it holds.

    Attributes:
        name: Without the schema, which is the source.
        description: Of the database, as people wrote it in Notion.
        data_source: Name of the data source; databases of one data source mostly give it their own title.
        in_sync: Whether its database is selected and can be seen, so that it has a partition.
        gone: Why it is not seen in Notion any more, in words that follow "it is"; empty where it is.
        keys: Of `streams` in sources.yaml, those that mean its database, whatever it is called in Notion now.
        partition: Key of its database among the partitions of `S/database`.
        synced: Whether the catalog holds the table already; a listing names it before a sync makes it.
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


def save_tables(home: Path, source: str, tables: Sequence[SyncedTable]) -> None:
    """Puts the tables of a source in place of those kept before.

    Raises:
        StagingError: The folder cannot be used.
        OSError: The file cannot be written.
    """
    path = _path(home, source)
    private_directory(path.parent)
    write_private(path, orjson.dumps([asdict(table) for table in tables]))


def load_tables(home: Path, source: str) -> list[SyncedTable]:
    """What was kept last; none where nothing was, or another version of the file stands there."""
    try:
        entries = orjson.loads(_path(home, source).read_bytes())
        return [SyncedTable(**{**entry, "keys": tuple(entry.get("keys", ()))}) for entry in entries]
    except (OSError, ValueError, TypeError, AttributeError):
        return []


def _path(home: Path, source: str) -> Path:
    return home / "tables" / f"{source}.json"
