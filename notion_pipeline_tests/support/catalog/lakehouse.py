"""Whether this environment can open lakes: the extra `lakehouse`, and a PostgreSQL."""

from __future__ import annotations

import pytest

from notion_pipeline.catalog.connection.lake_extensions import packaged
from notion_pipeline_tests.support.processes.postgres import NOT_INSTALLED, programs

HAS_DUCKLAKE = packaged("ducklake") is not None
needs_ducklake = pytest.mark.skipif(
    not HAS_DUCKLAKE, reason="DuckDB's extensions are not here (the extra `lakehouse`, for DuckDB 1.5.5)"
)
needs_postgres = pytest.mark.skipif(programs() is None, reason=NOT_INSTALLED)
