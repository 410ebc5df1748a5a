"""The tables of the schema `_notion_pipeline` and the views over them, made where they are missing."""

from __future__ import annotations

import duckdb

from notion_pipeline.catalog.sql import quote
from notion_pipeline.catalog.state.former_tables import has_former_tables, move_former_tables
from notion_pipeline.catalog.state.versions import SCHEMA, VersionedTable, create, is_recorded

_KEY = ("source", "data_source_id")
_KEY_COLUMNS = dict.fromkeys(_KEY, "VARCHAR")

#: What a listing decides of a data source.
STREAMS = VersionedTable(
    "stream_versions", "streams", _KEY, {**_KEY_COLUMNS, "database_id": "VARCHAR", "table_name": "VARCHAR"}
)
#: What every sync of it moves. Apart from what follows, which is large and mostly stays.
BOOKMARKS = VersionedTable(
    "bookmark_versions",
    "",
    _KEY,
    {
        **_KEY_COLUMNS,
        "sync_type": "VARCHAR",
        "bookmark": "TIMESTAMPTZ",
        "last_sync_at": "TIMESTAMPTZ",
        "last_full_sync_at": "TIMESTAMPTZ",
    },
)
#: What it was read with, and what was found: written by a sync that found a change.
READS = VersionedTable(
    "read_versions",
    "reads",
    _KEY,
    {
        **_KEY_COLUMNS,
        "account": "VARCHAR",
        "start_date": "TIMESTAMPTZ",
        "excluded": "JSON",
        "schema": "JSON",
        "schema_fingerprint": "VARCHAR",
        "columns": "JSON",
        "hidden_relations": "JSON",
        "comments": "VARCHAR",
        "limits": "JSON",
        "archived_refused": "VARCHAR",
        "unclear_relations": "JSON",
    },
)
#: Data sources whose next read must be full. On their own, since a listing asks for it while a sync may be at work.
FULL_READS = VersionedTable("full_read_versions", "", _KEY, _KEY_COLUMNS)
LOOKS = VersionedTable(
    "look_versions",
    "looks",
    ("source", "database_id"),
    {"source": "VARCHAR", "database_id": "VARCHAR", "marks": "VARCHAR", "asked_at": "TIMESTAMPTZ"},
)
CONTENT_TABLES = VersionedTable(
    "content_table_versions",
    "content_tables",
    ("source", "content"),
    {"source": "VARCHAR", "content": "VARCHAR", "table_name": "VARCHAR"},
)
ACKNOWLEDGEMENTS = VersionedTable(
    "acknowledgement_versions", "acknowledgements", _KEY, {**_KEY_COLUMNS, "acknowledged_at": "TIMESTAMPTZ"}
)
VERSIONED = (STREAMS, BOOKMARKS, READS, FULL_READS, LOOKS, CONTENT_TABLES, ACKNOWLEDGEMENTS)

#: History, a row for each finished sync of a data source.
SYNCS = {
    **dict.fromkeys(("run_id", "source", "database_id", "data_source_id", "stage_id", "sync_type"), "VARCHAR"),
    **dict.fromkeys(("started_at", "finished_at"), "TIMESTAMPTZ"),
    **dict.fromkeys(("rows_read", "rows_inserted", "rows_updated", "rows_unchanged", "rows_removed"), "BIGINT"),
    **dict.fromkeys(("api_requests", "api_retries"), "BIGINT"),
    **dict.fromkeys(("bookmark_before", "bookmark_after"), "TIMESTAMPTZ"),
    **{"schema_changes": "JSON", "read": "VARCHAR", "reason": "VARCHAR"},
}

_OF_STREAM = "ON {0}.source = s.source AND {0}.data_source_id = s.data_source_id"
#: Query by view. All but `stream_states` have the names and columns of tables that held the rows before.
_VIEWS = {
    "streams": f"""
        SELECT s.source, s.database_id, s.data_source_id, s.table_name, b.sync_type, b.bookmark,
               r.schema_fingerprint, coalesce(r.columns, '[]'::JSON) AS columns, b.last_sync_at, b.last_full_sync_at
        FROM {STREAMS.latest} AS s
        LEFT JOIN {BOOKMARKS.latest} AS b {_OF_STREAM.format("b")}
        LEFT JOIN {READS.latest} AS r {_OF_STREAM.format("r")}
    """,
    "stream_states": f"""
        SELECT s.*, b.* EXCLUDE (source, data_source_id), r.* EXCLUDE (source, data_source_id),
               r.source IS NOT NULL AND f.source IS NOT NULL AS next_read_is_full
        FROM {STREAMS.latest} AS s
        LEFT JOIN {BOOKMARKS.latest} AS b {_OF_STREAM.format("b")}
        LEFT JOIN {READS.latest} AS r {_OF_STREAM.format("r")}
        LEFT JOIN {FULL_READS.latest} AS f {_OF_STREAM.format("f")}
    """,
    "reads": f"""
        SELECT r.source, r.data_source_id, r.account, r.start_date, r.excluded, r.schema, r.hidden_relations,
               f.source IS NOT NULL AS next_read_is_full, r.comments, r.limits
        FROM {READS.latest} AS r
        LEFT JOIN {FULL_READS.latest} AS f ON f.source = r.source AND f.data_source_id = r.data_source_id
    """,
    "refusals": f"""
        SELECT source, data_source_id, archived_refused AS archived, unclear_relations AS relations
        FROM {READS.latest} WHERE archived_refused <> '' OR unclear_relations::VARCHAR <> '{{}}'
    """,
    **{table.view: f"FROM {table.latest}" for table in (LOOKS, CONTENT_TABLES, ACKNOWLEDGEMENTS)},
}


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the schema, its tables and views; brings those of an earlier version to their present form.

    Every commit begins with this, so it asks once and mostly writes nothing: a statement that makes or alters a table
    is a change for other writers of a DuckLake.
    """
    present = {
        name: set(columns)
        for name, columns in connection.execute(
            "SELECT table_name, list(column_name) FROM duckdb_columns() "
            "WHERE database_name = current_database() AND schema_name = ? GROUP BY table_name",
            [SCHEMA],
        ).fetchall()
    }
    wanted = {"syncs": set(SYNCS), **{name: set[str]() for name in _VIEWS}}
    wanted |= {table.name: {*table.columns, "version", "is_removed"} for table in VERSIONED}
    if all(columns <= present.get(name, set()) and name in present for name, columns in wanted.items()):
        return
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(SCHEMA)}")
    _create_history(connection)
    for table in VERSIONED:
        create(connection, table)
    if has_former_tables(connection):
        move_former_tables(connection, VERSIONED)
    for name, query in _VIEWS.items():
        connection.execute(f"CREATE OR REPLACE VIEW {quote(SCHEMA, name)} AS {query}")


def _create_history(connection: duckdb.DuckDBPyConnection) -> None:
    syncs = quote(SCHEMA, "syncs")
    described = ", ".join(f"{quote(name)} {kind}" for name, kind in SYNCS.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS {syncs} ({described})")
    for name, kind in SYNCS.items():
        connection.execute(f"ALTER TABLE {syncs} ADD COLUMN IF NOT EXISTS {quote(name)} {kind}")


def has_bookkeeping(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether anything was ever committed to this catalog."""
    return is_recorded(connection, READS)
