"""The queries of docs/lake.md answer in a lake that was synced twice."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.connection.lake_extensions import load_extensions
from notion_pipeline.config.fields.catalog_location import Lake, location_of
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake, needs_postgres
from notion_pipeline_tests.support.processes.postgres import postgres, query
from notion_pipeline_tests.support.sync.bench import Bench

PAGE = Path(__file__).parents[2] / "docs" / "lake.md"
BLOCK = re.compile(r'^```sql title="in a lake"\n(.*?)^```', re.DOTALL | re.MULTILINE)


class LakeBench(Bench):
    location: Lake

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.location, log=self.lines.append, wait_seconds=5.0)


@needs_ducklake
@needs_postgres
@pytest.mark.slow
def test_every_query_answers(workspace: Workspace, sandbox: SandboxServer, tmp_path: Path) -> None:
    source = workspace.add_database("Tasks", {"Name": "title", "State": "rich_text"}).data_source
    page = source.add_page({"Name": "One", "State": "open"})
    source.add_page({"Name": "Two", "State": "open"})
    with postgres() as port:
        query(port, "CREATE DATABASE lake")
        server = f"dbname=lake host=127.0.0.1 port={port} user=notion"
        location = location_of(f"ducklake:postgres:{server}", str(tmp_path / "files"), Path)
        assert isinstance(location, Lake)
        bench = LakeBench(workspace, sandbox.url, tmp_path)
        bench.location = location
        bench.sync()
        workspace.edit_page(page, {"State": "done"})
        bench.sync()
        with duckdb.connect() as reader:
            load_extensions(reader, location)
            answers = []
            for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
                for statement in filter(str.strip, block.split(";")):
                    told = re.sub(r"postgres:[^']*", f"postgres:{server}", statement)
                    answers.append(reader.execute(told).fetchall())
    assert [("One", "done"), ("Two", "open")] in answers
    assert any(dict(answer).keys() >= {"insert"} for answer in answers if answer and len(answer[0]) == 2)
