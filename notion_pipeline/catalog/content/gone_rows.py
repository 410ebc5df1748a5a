"""Takes away, with the rows of a table, all that was read of their pages: content, its chunks, comments."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import duckdb

from notion_pipeline.catalog.content.chunks import remove_chunks
from notion_pipeline.catalog.content.comments import remove_comments_of_gone_pages
from notion_pipeline.catalog.content.page_content import remove_gone
from notion_pipeline.catalog.content.tables.content_tables import Table


def forget_gone_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: Table,
    data_source_id: str,
    now: datetime,
    *,
    deleted_rows: Literal["remove", "mark"],
) -> None:
    """Removes or marks what was said on pages whose row is gone, in the transaction that takes the rows away.

    Files stay until the next run of `S/files`, which also removes what is stored outside the catalog.

    Args:
        rows: The table, which exists.
    """
    if remove_gone(connection, rows, data_source_id, now, deleted_rows=deleted_rows):
        remove_chunks(connection, rows[0])
    remove_comments_of_gone_pages(connection, rows, data_source_id, now, deleted_rows=deleted_rows)
