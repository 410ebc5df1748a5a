"""The targets of a sync: databases and their data sources, as a listing knows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notion_pipeline.database_ref import DatabaseRef
from notion_pipeline.errors import NotionPipelineError


@dataclass(frozen=True)
class DataSourceTarget:
    """A data source to read; `raw` and `server_time` where the listing of the same run brought its schema."""

    id: str
    name: str
    raw: dict[str, Any] | None = None
    server_time: datetime | None = None


@dataclass(frozen=True)
class DatabaseTarget(DatabaseRef):
    """A database to read.

    Attributes:
        failure: Why it cannot be read, where the listing of the same run found a reason.
    """

    data_sources: tuple[DataSourceTarget, ...]
    failure: NotionPipelineError | None = None
