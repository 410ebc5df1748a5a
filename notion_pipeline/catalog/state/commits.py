"""What a commit records about a data source: bookmark, settings of the read, refusals, and one line of history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb

from notion_pipeline.catalog.state.streams import StreamState


def note_refusals(
    connection: duckdb.DuckDBPyConnection, state: StreamState, archived: str, relations: dict[str, str]
) -> None:
    """Records what Notion refused at a read, in the transaction of its rows; writes nothing if it is as before."""
    if (archived, relations) == (state.archived_refused, state.unclear_relations):
        return
    key = [state.source, state.data_source_id]
    connection.execute("DELETE FROM _notion_pipeline.refusals WHERE source = ? AND data_source_id = ?", key)
    if archived or relations:
        connection.execute(
            "INSERT INTO _notion_pipeline.refusals VALUES (?, ?, ?, ?)",
            [*key, archived, json.dumps(relations, ensure_ascii=False)],
        )


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
    connection.execute(
        "UPDATE _notion_pipeline.reads SET next_read_is_full = true "
        "WHERE source = ? AND list_contains(?, data_source_id)",
        [source, list(data_source_ids)],
    )


def record_read(
    connection: duckdb.DuckDBPyConnection,
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
) -> None:
    """Moves the bookmark and records the settings of the read, in the transaction of its rows."""
    connection.execute(
        """
        UPDATE _notion_pipeline.streams SET sync_type = ?, bookmark = ?, schema_fingerprint = ?, columns = ?,
            last_sync_at = ?, last_full_sync_at = CASE WHEN ? THEN ? ELSE last_full_sync_at END
        WHERE source = ? AND data_source_id = ?
        """,
        [
            *(sync_type, bookmark, fingerprint, json.dumps(list(columns), ensure_ascii=False), finished_at),
            *(full, finished_at, state.source, state.data_source_id),
        ],
    )
    connection.execute(
        "DELETE FROM _notion_pipeline.reads WHERE source = ? AND data_source_id = ?",
        [state.source, state.data_source_id],
    )
    connection.execute(
        "INSERT INTO _notion_pipeline.reads (source, data_source_id, account, start_date, excluded, schema, "
        "hidden_relations, comments, limits, next_read_is_full) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, false)",
        [
            *(state.source, state.data_source_id, account, start_date),
            *(json.dumps(list(excluded), ensure_ascii=False), json.dumps(snapshot, ensure_ascii=False)),
            *(json.dumps(hidden_relations, ensure_ascii=False), comments, limits),
        ],
    )


def move_bookmarks(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    moved: Sequence[tuple[str, str, datetime]],
    finished_at: datetime,
) -> None:
    """Moves the bookmarks of data sources of which nothing else changed.

    Args:
        moved: Data source id, sync type and bookmark.
    """
    if not moved:
        return
    ids, sync_types, bookmarks = (list(values) for values in zip(*moved, strict=True))
    connection.execute(
        # By number: DuckDB 1.5 counts the marks of FROM before those of SET.
        """
        UPDATE _notion_pipeline.streams AS s
        SET sync_type = n.sync_type, bookmark = n.bookmark, last_sync_at = $1
        FROM (SELECT unnest($2::VARCHAR[]) AS id, unnest($3::VARCHAR[]) AS sync_type,
                     unnest($4::TIMESTAMPTZ[]) AS bookmark) n
        WHERE s.source = $5 AND s.data_source_id = n.id
        """,
        [finished_at, ids, sync_types, bookmarks, source],
    )


def record_sync(connection: duckdb.DuckDBPyConnection, entry: dict[str, Any]) -> None:
    """Adds one line of history; `entry` has the columns of `_notion_pipeline.syncs`."""
    names = ", ".join(entry)
    marks = ", ".join("?" for _ in entry)
    connection.execute(f"INSERT INTO _notion_pipeline.syncs ({names}) VALUES ({marks})", list(entry.values()))
