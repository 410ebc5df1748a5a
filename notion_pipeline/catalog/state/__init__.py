"""What the catalog knows of itself: the schema `_notion_pipeline`.

In: an open connection. Out: what is known of each data source, and how it is recorded. May import `catalog`.
"""

from notion_pipeline.catalog.state.acknowledgements import acknowledge, acknowledgements
from notion_pipeline.catalog.state.commits import (
    CommitRecords,
    committed_in_run,
    is_committed,
    move_bookmarks,
    record_syncs,
    require_full_read,
)
from notion_pipeline.catalog.state.fetches import last_fetches, note_fetches
from notion_pipeline.catalog.state.names import (
    USERS_CONTENT,
    content_table,
    content_tables,
    name_streams,
    note_content_table,
    table_names,
    users_table,
)
from notion_pipeline.catalog.state.read_costs import ReadCosts, read_costs
from notion_pipeline.catalog.state.streams import (
    Column,
    NotedRead,
    StreamState,
    committed_bookmarks,
    noted_limits,
    noted_reads,
    stream_states,
)
from notion_pipeline.catalog.state.tables import create_tables, has_bookkeeping

__all__ = [
    "USERS_CONTENT",
    "Column",
    "CommitRecords",
    "NotedRead",
    "ReadCosts",
    "StreamState",
    "acknowledge",
    "acknowledgements",
    "committed_bookmarks",
    "committed_in_run",
    "content_table",
    "content_tables",
    "create_tables",
    "has_bookkeeping",
    "is_committed",
    "last_fetches",
    "move_bookmarks",
    "name_streams",
    "note_content_table",
    "note_fetches",
    "noted_limits",
    "noted_reads",
    "read_costs",
    "record_syncs",
    "require_full_read",
    "stream_states",
    "table_names",
    "users_table",
]
