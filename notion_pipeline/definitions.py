"""The Dagster code location of the project around the current folder; the only module that looks at that folder."""

from __future__ import annotations

from pathlib import Path

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import find_project
from notion_pipeline.redaction import keep_secrets_unwritten

keep_secrets_unwritten()
defs = build_definitions(find_project(Path.cwd()))
