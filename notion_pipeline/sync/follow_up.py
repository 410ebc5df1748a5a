"""The state that a read is followed up from while the catalog does not have it yet.

A read that an earlier run finished and could not commit is loaded first. Then what was edited since is read, as if that
commit had been made.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from notion_pipeline.catalog.state import StreamState
from notion_pipeline.extraction.extract import Extract
from notion_pipeline.rows.properties import exclusion_marks


def as_if_committed(extract: Extract, state: StreamState | None) -> StreamState:
    """The state that the catalog will have once the extract is loaded."""
    base = state or StreamState(
        source=extract.source,
        database_id=extract.database_id,
        data_source_id=extract.data_source_id,
        table_name=extract.table_name,
        sync_type=extract.sync_type,
        bookmark=None,
        fingerprint=None,
        columns=(),
        last_sync_at=None,
        last_full_sync_at=None,
        account=None,
        start_date=None,
        excluded=(),
        snapshot=None,
        hidden_relations={},
        next_read_is_full=False,
        has_table=True,
    )
    return replace(
        base,
        database_id=extract.database_id,
        bookmark=extract.stage.bookmark,
        snapshot=extract.snapshot,
        fingerprint=extract.fingerprint,
        start_date=extract.start_date,
        excluded=exclusion_marks(extract.excluded),
        hidden_relations=extract.hidden_relations,
        unclear_relations=extract.unclear_relations,
        archived_refused=extract.counts.archived_refused if extract.full else base.archived_refused,
        next_read_is_full=False,
        has_table=True,
        last_full_sync_at=datetime.now(timezone.utc) if extract.full else base.last_full_sync_at,
    )
