"""The benchmarks in their quick form: they run, and the figures that no machine changes are what they should be."""

from __future__ import annotations

from importlib import import_module
from io import StringIO
from math import ceil

import httpx
import pytest
from rich.console import Console

from benchmarks.__main__ import NAMES
from benchmarks.report import written
from benchmarks.server import TOKEN, Contents, Server
from benchmarks.tables import Findings
from notion_pipeline_tests.support.patience import PATIENCE


def findings_of(name: str) -> Findings:
    found: Findings = import_module(f"benchmarks.{name}").run(quick=True)
    return found


def full_read(rows: int) -> int:
    """The answers there are, and four around them: archived rows twice, what was edited meanwhile, the schema again."""
    return ceil(rows / 100) + 4


@pytest.mark.slow
@pytest.mark.long
def test_full_read_and_quiet_sync_cost_no_request_too_many() -> None:
    counts = findings_of("requests").counts
    for concurrent in (1, 32):
        assert counts[f"full 300 {concurrent}"] == full_read(300)
        assert counts[f"quiet 300 {concurrent}"] == 1
    assert counts["quiet listing"] < counts["first listing"]


@pytest.mark.slow
@pytest.mark.long
def test_commit_writes_the_rows_that_changed_and_no_others() -> None:
    assert findings_of("commits").counts == {
        "first commit of 500 rows": 500,
        "merge of 20 edited rows": 20,
        "full read in which nothing changed": 0,
    }


@pytest.mark.slow
@pytest.mark.long
def test_growth_reads_each_row_once() -> None:
    assert findings_of("growth").counts == {"100 rows": 100, "300 rows": 300, "900 rows": 900}


@pytest.mark.slow
@pytest.mark.long
def test_content_costs_a_request_a_page_and_none_where_nothing_is_new() -> None:
    counts = findings_of("content").counts
    pages = {"40 pages, 20 ms": 40, "30 pages, 20 ms, 3000 requests a minute": 30, "60 pages, 0 ms": 60}
    assert counts == {key: count for name, number in pages.items() for key, count in _costs(name, number).items()}


def _costs(name: str, pages: int) -> dict[str, int]:
    return {name: pages, f"{name}, again": 0, f"{name}, in the table": pages}


@pytest.mark.slow
@pytest.mark.long
def test_import_is_measured() -> None:
    shown = StringIO()
    found = findings_of("imports")
    found.show(Console(file=shown, width=120))
    assert "notion_pipeline.definitions" in shown.getvalue()


@pytest.mark.slow
@pytest.mark.long
def test_dlt_loads_the_same_rows() -> None:
    pytest.importorskip("dlt")
    assert findings_of("dlt").counts == {"rows by dlt": 200, "rows by notion-pipeline": 200}


def test_dlt_finds_the_version_that_it_speaks() -> None:
    with Server(Contents(rows=3)) as server:
        answer = httpx.post(
            f"{server.url}/v1/databases/{server.database_ids[0]}/query",
            headers={"Authorization": f"Bearer {TOKEN}", "Notion-Version": "2022-06-28"},
            json={},
            timeout=PATIENCE,
        )
    assert len(answer.json()["results"]) == 3


def test_report_replaces_the_section_of_one_benchmark() -> None:
    one = Findings("One", "python -m one", "It is one.", ("", "figure"), [("a", "1")])
    two = Findings("Two", "python -m two", "It is two.", ("", "figure"), [("b", "2")])
    text = written(written("", "one", one), "two", two)
    again = written(text, "one", Findings("One", "python -m one", "It is one.", ("", "figure"), [("a", "3")]))
    assert "| a | 3 |" in again
    assert "| a | 1 |" not in again
    assert "| b | 2 |" in again
    assert written(again, "one", one) == text


def test_every_benchmark_has_a_command_of_its_own() -> None:
    for name in NAMES:
        assert callable(import_module(f"benchmarks.{name}").run)
