"""Brings staged rows to the catalog in two steps, so that memory holds their ids and never all rows.

`staged` is a temporary table with one line a page: its place in the read, and what must be known before rows are
written. The rows themselves are streamed from the stage, once to compare and once to write them, and only if there is
something to compare or write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from notion_pipeline.extraction.extract import Extract
from notion_pipeline.extraction.staging import PLACE
from notion_pipeline.rows.batch import NOT_COMPUTED, NOT_CONVERTED, staged_name
from notion_pipeline.rows.properties import COMPUTED


def load_staged(connection: duckdb.DuckDBPyConnection, extract: Extract) -> None:
    """Makes `staged`, one line a page: its latest version, or of versions with equal stamps the later answer.

    Columns: id, _place, _not_computed, _not_converted, and `kind_<position>` for each formula and rollup.
    """
    positions = [index for index, prop in enumerate(extract.schema.properties) if prop.type in COMPUTED]
    kinds = "".join(f", {staged_name(index)}.kind AS kind_{index}" for index in positions)
    names = ["id", "last_edited_time", NOT_COMPUTED, NOT_CONVERTED, *(staged_name(index) for index in positions)]
    connection.register("incoming", extract.stage.reader(extract.schema.arrow, names))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE staged AS SELECT id, last_edited_time, {PLACE}, {NOT_COMPUTED}, {NOT_CONVERTED}"
        f"{kinds} FROM incoming WHERE id IS NOT NULL"
    )
    connection.unregister("incoming")
    if not extract.stage.rows:
        return
    connection.execute(
        f"""
        DELETE FROM staged WHERE {PLACE} IN (
            SELECT {PLACE} FROM (
                SELECT {PLACE}, row_number() OVER (
                    PARTITION BY id ORDER BY last_edited_time DESC NULLS LAST, {PLACE} DESC
                ) AS version FROM staged
            ) WHERE version > 1
        )
        """
    )


@contextmanager
def incoming_rows(connection: duckdb.DuckDBPyConnection, extract: Extract, which: str) -> Iterator[str]:
    """The name of a relation of staged rows that can be scanned once.

    The rows are picked here and not by a join, which would hold them all: DuckDB does not know how many will come.

    Args:
        which: SQL of the places of the rows wanted.
    """
    places = {row[0] for row in connection.execute(which).fetchall()}
    connection.register("incoming", extract.stage.reader(extract.schema.arrow, places=places))
    yield "incoming"
    # Not after an error: the transaction is over then, and a second error would hide the first.
    connection.unregister("incoming")
