"""The Dagster code location of the project around the current folder; the only module that looks at that folder."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import find_project
from notion_pipeline.redaction import keep_secrets_unwritten

keep_secrets_unwritten()
# One process reads all databases of a run concurrently; a process for each step would only add its start.
defs = dg.Definitions.merge(
    build_definitions(find_project(Path.cwd())), dg.Definitions(executor=dg.in_process_executor)
)
