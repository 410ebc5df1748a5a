"""What a commit records about a data source: bookmark, settings of the read, refusals, and one line of history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from notion_pipeline.catalog.state.streams import StreamState
from notion_pipeline.catalog.state.tables import BOOKMARKS, FULL_READS, READS, SYNCS
from notion_pipeline.catalog.state.versions import append, append_query, remove, rows_query


def is_committed(connection: duckdb.DuckDBPyConnection, stage_id: str) -> bool:
    """Whether the rows of this stage are in the catalog."""
    return bool(
        connection.execute("SELECT 1 FROM _notion_pipeline.syncs WHERE stage_id = ? LIMIT 1", [stage_id]).fetchall()
    )


def committed_in_run(connection: duckdb.DuckDBPyConnection, source: str, run_ids: Sequence[str]) -> set[str]:
    """The data sources that any of these runs committed."""
    rows = connection.execute(
        "SELECT DISTINCT data_source_id FROM _notion_pipeline.syncs WHERE source = ? AND list_contains(?, run_id)",
        [source, list(run_ids)],
    ).fetchall()
    return {row[0] for row in rows}


def require_full_read(connection: duckdb.DuckDBPyConnection, source: str, data_source_ids: Sequence[str]) -> None:
    """Makes the next read of these data sources a full one, for changes that no edit time shows."""
    if data_source_ids:
        # The first read of a data source is full in any case.
        append_query(
            connection,
            FULL_READS,
            "SELECT source, data_source_id FROM _notion_pipeline.reads "
            "WHERE source = ? AND list_contains(?, data_source_id)",
            [source, list(data_source_ids)],
        )


class CommitRecords:
    """What a commit records of its reads, written together: in a lake each statement adds a file that others open."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._bookmarks: list[tuple[Any, ...]] = []
        self._reads: list[tuple[Any, ...]] = []
        self._full_reads: list[tuple[str, str]] = []
        self._syncs: list[Mapping[str, Any]] = []

    def add_read(
        self,
        state: StreamState,
        *,
        sync_type: str,
        bookmark: datetime,
        fingerprint: str,
        columns: Sequence[dict[str, Any]],
        finished_at: datetime,
        full: bool,
        account: str,
        start_date: datetime | None,
        excluded: Sequence[str],
        snapshot: dict[str, Any],
        hidden_relations: dict[str, str],
        comments: str,
        limits: str,
        archived_refused: str,
        unclear_relations: dict[str, str],
    ) -> None:
        """Moves the bookmark and records the settings of the read, in the transaction of its rows."""
        key = (state.source, state.data_source_id)
        last_full_sync_at = finished_at if full else state.last_full_sync_at
        self._bookmarks.append((*key, sync_type, bookmark, finished_at, last_full_sync_at))
        settings = (account, start_date, _json(excluded), _json(snapshot), fingerprint, _json(columns))
        found = (_json(hidden_relations), comments, limits, archived_refused, _json(unclear_relations))
        self._reads.append((*key, *settings, *found))
        if full and state.next_read_is_full:
            self._full_reads.append(key)

    def add_sync(self, entry: Mapping[str, Any]) -> None:
        """Adds a line of history; it has the columns of `_notion_pipeline.syncs`."""
        self._syncs.append(entry)

    def has(self, source: str, data_source_id: str) -> bool:
        """Whether something of this data source is not written yet."""
        return any(read[:2] == (source, data_source_id) for read in self._reads)

    def write(self) -> None:
        """Writes what was added since the last time."""
        append(self._connection, BOOKMARKS, self._bookmarks)
        append(self._connection, READS, self._reads)
        if self._full_reads:
            keys = ", ".join(["(?, ?)"] * len(self._full_reads))
            values = [value for key in self._full_reads for value in key]
            remove(self._connection, FULL_READS, f"(source, data_source_id) IN ({keys})", values)
        record_syncs(self._connection, self._syncs)
        for written in (self._bookmarks, self._reads, self._full_reads, self._syncs):
            written.clear()


def move_bookmarks(
    connection: duckdb.DuckDBPyConnection, moved: Sequence[tuple[StreamState, str, datetime]], finished_at: datetime
) -> None:
    """Moves the bookmarks of data sources of which nothing else changed.

    Args:
        moved: State, sync type and bookmark.
    """
    append(
        connection,
        BOOKMARKS,
        [
            (state.source, state.data_source_id, sync_type, bookmark, finished_at, state.last_full_sync_at)
            for state, sync_type, bookmark in moved
        ],
    )


def record_syncs(connection: duckdb.DuckDBPyConnection, entries: Sequence[Mapping[str, Any]]) -> None:
    """Adds lines of history; an entry has the columns of `_notion_pipeline.syncs`."""
    if entries:
        query, parameters = rows_query(SYNCS, [[entry[name] for name in SYNCS] for entry in entries])
        connection.execute(f"INSERT INTO _notion_pipeline.syncs BY NAME {query}", parameters)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
