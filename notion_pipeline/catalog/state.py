"""The schema `_notion_pipeline`: what is known of each stream, and the history of its syncs."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import orjson

from notion_pipeline.catalog.sql import is_table, tables_in

_TABLES = """
CREATE SCHEMA IF NOT EXISTS _notion_pipeline;
CREATE TABLE IF NOT EXISTS _notion_pipeline.streams (
    source VARCHAR, database_id VARCHAR, data_source_id VARCHAR, table_name VARCHAR, sync_type VARCHAR,
    bookmark TIMESTAMPTZ, schema_fingerprint VARCHAR, columns JSON,
    last_sync_at TIMESTAMPTZ, last_full_sync_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS _notion_pipeline.syncs (
    run_id VARCHAR, source VARCHAR, database_id VARCHAR, data_source_id VARCHAR, stage_id VARCHAR, sync_type VARCHAR,
    started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ,
    rows_read BIGINT, rows_inserted BIGINT, rows_updated BIGINT, rows_unchanged BIGINT, rows_removed BIGINT,
    api_requests BIGINT, api_retries BIGINT, bookmark_before TIMESTAMPTZ, bookmark_after TIMESTAMPTZ,
    schema_changes JSON, read VARCHAR, reason VARCHAR
);
ALTER TABLE _notion_pipeline.syncs ADD COLUMN IF NOT EXISTS read VARCHAR;
ALTER TABLE _notion_pipeline.syncs ADD COLUMN IF NOT EXISTS reason VARCHAR;
CREATE TABLE IF NOT EXISTS _notion_pipeline.reads (
    source VARCHAR, data_source_id VARCHAR, account VARCHAR, start_date TIMESTAMPTZ, excluded JSON, schema JSON,
    hidden_relations JSON, next_read_is_full BOOLEAN
);
ALTER TABLE _notion_pipeline.reads ADD COLUMN IF NOT EXISTS comments VARCHAR;
ALTER TABLE _notion_pipeline.reads ADD COLUMN IF NOT EXISTS limits JSON;
CREATE TABLE IF NOT EXISTS _notion_pipeline.looks (
    source VARCHAR, database_id VARCHAR, marks VARCHAR, asked_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS _notion_pipeline.content_tables (source VARCHAR, content VARCHAR, table_name VARCHAR);
CREATE TABLE IF NOT EXISTS _notion_pipeline.acknowledgements (
    source VARCHAR, data_source_id VARCHAR, acknowledged_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS _notion_pipeline.refusals (
    source VARCHAR, data_source_id VARCHAR, archived VARCHAR, relations JSON
);
"""


@dataclass(frozen=True)
class Column:
    """A property's column, as `streams.columns` records it."""

    property_id: str
    property_name: str
    property_type: str
    column: str
    duckdb_type: str


@dataclass(frozen=True)
class StreamState:
    """What the catalog knows of a data source before it is read.

    Attributes:
        bookmark: Server minute up to which the table is complete; None before the first sync.
        snapshot: The schema of the last sync, as `properties.schema_snapshot` gives it.
        account, start_date, excluded: What the last read was made under; marks, not names, of the excluded.
        hidden_relations: Data source id a relation points to that the connection could not see, by property id.
        next_read_is_full: A database that went and came back is read in full, a data source that moved too.
        has_table: Whether the table stands; it may have been dropped by hand. One that stands before the first sync
            is somebody else's.
        archived_refused: Why Notion did not give the archived rows at the last full read; empty where it did.
        unclear_relations: Why Notion would not say whether the target of a relation can be seen, by property id.
    """

    source: str
    database_id: str
    data_source_id: str
    table_name: str
    sync_type: str
    bookmark: datetime | None
    fingerprint: str | None
    columns: tuple[Column, ...]
    last_sync_at: datetime | None
    last_full_sync_at: datetime | None
    account: str | None
    start_date: datetime | None
    excluded: tuple[str, ...]
    snapshot: dict[str, Any] | None
    hidden_relations: dict[str, str]
    next_read_is_full: bool
    has_table: bool
    archived_refused: str = ""
    unclear_relations: dict[str, str] = field(default_factory=dict)


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(_TABLES)


def has_bookkeeping(connection: duckdb.DuckDBPyConnection) -> bool:
    return is_table(connection, ("_notion_pipeline", "reads"))


def last_fetches(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, tuple[str | None, datetime]]:
    """Of each database what search showed of it when it was last asked for, and when that was."""
    if not is_table(connection, ("_notion_pipeline", "looks")):  # a catalog that an earlier version wrote
        return {}
    rows = connection.execute(
        "SELECT database_id, marks, asked_at FROM _notion_pipeline.looks WHERE source = ?", [source]
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def note_fetch(
    connection: duckdb.DuckDBPyConnection, source: str, database_id: str, marks: str | None, at: datetime
) -> None:
    """Remembers when a database was asked for, and what search showed of it then."""
    connection.execute("DELETE FROM _notion_pipeline.looks WHERE source = ? AND database_id = ?", [source, database_id])
    connection.execute("INSERT INTO _notion_pipeline.looks VALUES (?, ?, ?, ?)", [source, database_id, marks, at])


def content_table(connection: duckdb.DuckDBPyConnection, source: str, content: str) -> str | None:
    """Name of the table that holds a kind of content of a source, such as its users; None before the first."""
    if not is_table(connection, ("_notion_pipeline", "content_tables")):  # a catalog that an earlier version wrote
        return None
    rows = connection.execute(
        "SELECT table_name FROM _notion_pipeline.content_tables WHERE source = ? AND content = ?", [source, content]
    ).fetchall()
    return rows[0][0] if rows else None


def note_content_table(connection: duckdb.DuckDBPyConnection, source: str, content: str, name: str) -> None:
    """Remembers the name of a table that was made for a kind of content."""
    connection.execute(
        "DELETE FROM _notion_pipeline.content_tables WHERE source = ? AND content = ?", [source, content]
    )
    connection.execute("INSERT INTO _notion_pipeline.content_tables VALUES (?, ?, ?)", [source, content, name])


def stream_states(
    connection: duckdb.DuckDBPyConnection, source: str, only: Collection[str] | None = None
) -> dict[str, StreamState]:
    """Everything known of a source's data sources, or of only those, by data source id."""
    wanted = None if only is None else list(only)
    rows = connection.execute(
        """
        SELECT s.database_id, s.data_source_id, s.table_name, s.sync_type, s.bookmark, s.schema_fingerprint, s.columns,
               s.last_sync_at, s.last_full_sync_at, r.account, r.start_date, r.excluded, r.schema,
               r.hidden_relations, coalesce(r.next_read_is_full, false)
        FROM _notion_pipeline.streams s
        LEFT JOIN _notion_pipeline.reads r ON r.source = s.source AND r.data_source_id = s.data_source_id
        WHERE s.source = ? AND (?::VARCHAR[] IS NULL OR list_contains(?, s.data_source_id))
        """,
        [source, wanted, wanted],
    ).fetchall()
    listed = None if only is not None else tables_in(connection, source)
    refused = _refusals(connection, source)

    def stands(table: str) -> bool:
        return is_table(connection, (source, table)) if listed is None else table.lower() in listed

    return {
        row[1]: StreamState(
            source=source,
            database_id=row[0],
            data_source_id=row[1],
            table_name=row[2],
            sync_type=row[3],
            bookmark=row[4],
            fingerprint=row[5],
            columns=tuple(Column(**column) for column in orjson.loads(row[6] or "[]")),
            last_sync_at=row[7],
            last_full_sync_at=row[8],
            account=row[9],
            start_date=row[10],
            excluded=tuple(orjson.loads(row[11] or "[]")),
            snapshot=orjson.loads(row[12]) if row[12] else None,
            hidden_relations=orjson.loads(row[13] or "{}"),
            next_read_is_full=row[14],
            has_table=row[7] is not None and stands(row[2]),
            archived_refused=refused.get(row[1], ("", {}))[0],
            unclear_relations=refused.get(row[1], ("", {}))[1],
        )
        for row in rows
    }


def _refusals(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, tuple[str, dict[str, str]]]:
    """What Notion refused beside rows, by data source id: the archived ones, and looks at relations' targets."""
    if not is_table(connection, ("_notion_pipeline", "refusals")):  # a catalog that an earlier version wrote
        return {}
    rows = connection.execute(
        "SELECT data_source_id, archived, relations FROM _notion_pipeline.refusals WHERE source = ?", [source]
    ).fetchall()
    return {row[0]: (row[1], orjson.loads(row[2])) for row in rows}


def note_refusals(
    connection: duckdb.DuckDBPyConnection, state: StreamState, archived: str, relations: dict[str, str]
) -> None:
    """Remembers what Notion refused beside rows, in the transaction of the rows; nothing is written of no change."""
    if (archived, relations) == (state.archived_refused, state.unclear_relations):
        return
    key = [state.source, state.data_source_id]
    connection.execute("DELETE FROM _notion_pipeline.refusals WHERE source = ? AND data_source_id = ?", key)
    if archived or relations:
        connection.execute(
            "INSERT INTO _notion_pipeline.refusals VALUES (?, ?, ?, ?)",
            [*key, archived, json.dumps(relations, ensure_ascii=False)],
        )


def table_names(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """The table of each data source that was ever named, by its id."""
    if not is_table(connection, ("_notion_pipeline", "streams")):
        return {}
    rows = connection.execute(
        "SELECT data_source_id, table_name FROM _notion_pipeline.streams WHERE source = ?", [source]
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def noted_comments(connection: duckdb.DuckDBPyConnection, state: StreamState) -> str | None:
    """What the last sync of a data source noted of the comments it wrote; see `load.comments.keep_comments`."""
    rows = connection.execute(
        "SELECT comments FROM _notion_pipeline.reads WHERE source = ? AND data_source_id = ?",
        [state.source, state.data_source_id],
    ).fetchall()
    return rows[0][0] if rows else None


def noted_limits(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """What the last sync of each data source noted of its limits, by data source id; see `limits.Limits`."""
    try:
        rows = connection.execute(
            "SELECT data_source_id, limits FROM _notion_pipeline.reads WHERE source = ? AND limits IS NOT NULL",
            [source],
        ).fetchall()
    except duckdb.Error:  # a catalog that an earlier version wrote
        return {}
    return dict(rows)


def acknowledgements(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, datetime]:
    """When somebody last acknowledged the schema changes of a data source, by its id."""
    if not is_table(connection, ("_notion_pipeline", "acknowledgements")):  # a catalog that an earlier version wrote
        return {}
    rows = connection.execute(
        "SELECT data_source_id, max(acknowledged_at) FROM _notion_pipeline.acknowledgements WHERE source = ? "
        "GROUP BY data_source_id",
        [source],
    ).fetchall()
    return dict(rows)


def acknowledge(
    connection: duckdb.DuckDBPyConnection, source: str, data_source_ids: Collection[str], at: datetime
) -> None:
    """Takes down that the schema changes of these data sources up to a local time are known."""
    create_tables(connection)
    keys = list(data_source_ids)
    connection.execute(
        "DELETE FROM _notion_pipeline.acknowledgements WHERE source = ? AND list_contains(?, data_source_id)",
        [source, keys],
    )
    for key in keys:
        connection.execute("INSERT INTO _notion_pipeline.acknowledgements VALUES (?, ?, ?)", [source, key, at])


def committed_bookmarks(connection: duckdb.DuckDBPyConnection | None, source: str) -> dict[str, datetime]:
    """Up to which server minute each data source of a source is complete in the catalog, by its id.

    One whose table is gone, or that must be read in full for what no edit shows, is not among them.
    """
    if connection is None or not has_bookkeeping(connection):
        return {}
    rows = connection.execute(
        """
        SELECT s.data_source_id, s.bookmark
        FROM _notion_pipeline.streams s
        JOIN duckdb_tables() t ON t.database_name = current_database() AND t.schema_name = s.source
             AND lower(t.table_name) = lower(s.table_name)
        LEFT JOIN _notion_pipeline.reads r ON r.source = s.source AND r.data_source_id = s.data_source_id
        WHERE s.source = ? AND s.bookmark IS NOT NULL AND NOT coalesce(r.next_read_is_full, false)
        """,
        [source],
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def is_committed(connection: duckdb.DuckDBPyConnection, stage_id: str) -> bool:
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


def add_stream(
    connection: duckdb.DuckDBPyConnection, source: str, database_id: str, data_source_id: str, table_name: str
) -> None:
    """Gives a data source its table name, for as long as it is known."""
    connection.execute(
        "INSERT INTO _notion_pipeline.streams (source, database_id, data_source_id, table_name, columns) "
        "VALUES (?, ?, ?, ?, '[]')",
        [source, database_id, data_source_id, table_name],
    )


def rename_stream(connection: duckdb.DuckDBPyConnection, source: str, data_source_id: str, table_name: str) -> None:
    connection.execute(
        "UPDATE _notion_pipeline.streams SET table_name = ? WHERE source = ? AND data_source_id = ?",
        [table_name, source, data_source_id],
    )


def move_stream(connection: duckdb.DuckDBPyConnection, source: str, data_source_id: str, database_id: str) -> None:
    """Gives a data source another database; its rows are read in full, since each names the database as its parent."""
    connection.execute(
        "UPDATE _notion_pipeline.streams SET database_id = ? WHERE source = ? AND data_source_id = ?",
        [database_id, source, data_source_id],
    )
    require_full_read(connection, source, [data_source_id])


def require_full_read(connection: duckdb.DuckDBPyConnection, source: str, data_source_ids: Sequence[str]) -> None:
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
    """Moves the bookmark and what goes with it, in the transaction of the rows."""
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


def record_sync(connection: duckdb.DuckDBPyConnection, entry: dict[str, Any]) -> None:
    """One line of history; `entry` has the columns of `_notion_pipeline.syncs`."""
    names = ", ".join(entry)
    marks = ", ".join("?" for _ in entry)
    connection.execute(f"INSERT INTO _notion_pipeline.syncs ({names}) VALUES ({marks})", list(entry.values()))
