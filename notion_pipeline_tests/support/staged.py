"""Extracts that are staged by hand, of pages that no workspace gives on request."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from notion_pipeline.extraction.extract import Extract
from notion_pipeline.extraction.manifest import StageKey
from notion_pipeline.extraction.read_counts import ReadCounts
from notion_pipeline.extraction.staging import open_stage
from notion_pipeline.rows.batch import RowSchema, to_batch
from notion_pipeline.rows.properties import Property, fingerprint, schema_snapshot


def staged_extract(tmp_path: Path, answers: list[list[dict[str, Any]]], **changes: Any) -> Extract:
    properties = (Property("title", "Name", "title"),)
    schema = RowSchema(properties)
    began = datetime(2026, 7, 1, 9, tzinfo=timezone.utc)
    stage = open_stage(
        tmp_path / "stage",
        StageKey("ds", "FULL_TABLE", None, None, "account", (), fingerprint(properties)),
        bookmark=began,
        is_committed=lambda _: False,
        log=lambda _: None,
        now=began,
    )
    for pages in answers:
        stage.add(stage.write(to_batch(pages, schema)))
    entries: dict[str, Any] = {
        "source": "notion",
        "database_id": "db",
        "data_source_id": "ds",
        "data_source_name": "Tasks",
        "title": "Tasks",
        "url": "https://app.notion.com/p/tasks",
        "stage": stage,
        "schema": schema,
        "sync_type": "INCREMENTAL",
        "full": True,
        "deleted_rows": "remove",
        "account": "account",
        "start_date": None,
        "excluded": (),
        "snapshot": schema_snapshot(properties),
        "fingerprint": fingerprint(properties),
        "schema_changes": (),
        "hidden_relations": {},
        "table_name": "tasks",
        "counts": ReadCounts(),
        **changes,
    }
    return Extract(**entries)


def made_page(page_id: str | None, name: str, edited: str = "2026-07-01T08:00:00.000Z") -> dict[str, Any]:
    title = {"id": "title", "type": "title", "title": [{"plain_text": name}]}
    return {"id": page_id, "last_edited_time": edited, "properties": {"Name": title}}
