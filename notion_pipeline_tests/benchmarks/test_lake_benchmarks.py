"""The benchmarks of lakes in their quick form, and what they say where there is nothing to make a lake with."""

from __future__ import annotations

import asyncio
from importlib import import_module

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from benchmarks import lakehouse
from benchmarks.any_account import AnyAccount
from benchmarks.lake_growth import Held, Measured, calculation
from benchmarks.lakehouse import Files
from benchmarks.project import Commits, Cost
from benchmarks.server import TOKEN, Contents, Server
from benchmarks.tables import Findings
from benchmarks.workers import Together, bound_by
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake, needs_postgres
from notion_pipeline_tests.support.patience import PATIENCE


def findings_of(name: str) -> Findings:
    found: Findings = import_module(f"benchmarks.{name}").run(quick=True)
    return found


@needs_postgres
@needs_ducklake
@pytest.mark.slow
@pytest.mark.long
def test_sync_costs_the_same_requests_into_a_lake_as_into_a_file() -> None:
    pytest.importorskip("moto.server")
    counts = findings_of("lake").counts
    for sync in ("500 rows", "6 databases of 40 rows", "6 databases of 40 rows, again"):
        catalogs = ("DuckDB file", "lake, files in a folder", "lake, files in S3")
        assert len({counts[f"{sync}, {catalog}"] for catalog in catalogs}) == 1


@needs_postgres
@needs_ducklake
@pytest.mark.slow
@pytest.mark.long
def test_workers_of_two_accounts_write_all_rows_in_twice_the_requests() -> None:
    counts = findings_of("workers").counts
    for limits in ("20 ms, 3000 requests a minute each", "0 ms, no budget"):
        assert counts[f"1 workers, {limits}, rows"] == 40
        assert counts[f"2 workers, {limits}, rows"] == 80
        assert counts[f"2 workers, {limits}, requests"] == 2 * counts[f"1 workers, {limits}, requests"]


@needs_postgres
@needs_ducklake
@pytest.mark.slow
@pytest.mark.long
def test_growth_of_a_lake_counts_files_before_and_after_upkeep() -> None:
    counts = findings_of("lake_growth").counts
    assert counts["accounts"] == 2
    assert counts["files after the first syncs"] < counts["files after edits"]
    assert counts["files after maintenance"] < counts["files after edits"]


@pytest.mark.parametrize("name", ["workers", "lake_growth"])
def test_what_is_missing_stands_in_the_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module(f"benchmarks.{name}")
    monkeypatch.setattr(module, "missing", lambda: "PostgreSQL is not installed")
    found = module.run(quick=True)
    assert [row[0] for row in found.rows] == ["not measured: PostgreSQL is not installed"]
    assert len(found.rows[0]) == len(found.columns)


def test_lake_needs_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lakehouse.postgres, "missing", lambda: "PostgreSQL is not installed")
    assert lakehouse.missing() == "PostgreSQL is not installed"


def test_every_account_sees_what_the_first_one_does() -> None:
    with Server(Contents(rows=1)) as server:
        for token in (TOKEN, f"{TOKEN}_7"):
            answer = httpx.get(
                f"{server.url}/v1/users/me",
                headers={"Authorization": f"Bearer {token}", "Notion-Version": "2025-09-03"},
                timeout=PATIENCE,
            )
            assert answer.is_success


def test_other_tokens_stay_what_they_are() -> None:
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(value for _, value in scope["headers"])

    async def nothing(_: Message | None = None) -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "headers": [(b"authorization", b"Bearer another"), (b"accept", b"*/*")]}
    asyncio.run(AnyAccount(app, TOKEN)(scope, nothing, nothing))
    assert seen == [b"Bearer another", b"*/*"]


@pytest.mark.parametrize(
    ("pace", "budget", "busy", "committing", "bound"),
    [
        (350.0, 360, 0.99, 9.0, "Notion's budget"),
        (200.0, 360, 0.95, 9.0, "the processors"),
        (200.0, 360, 0.5, 6.0, "commits"),
        (200.0, None, 0.5, 1.0, "latency"),
    ],
)
def test_what_bounds_the_workers(pace: float, budget: int | None, busy: float, committing: float, bound: str) -> None:
    together = Together(10.0, busy, [Cost(10.0, 1.0, 1.0, "")], [Commits([committing], [])])
    assert bound_by(pace, budget, together) == bound


def test_calculation_of_ten_accounts_is_shown() -> None:
    measured = Measured(accounts=4, requests=10_080, cpu_seconds=280.0, megabytes=400.0)
    text = calculation(measured, Held(Files(12, 200.0), 30.0), 8.0, 250_000)
    assert "250,000 rows / 100 an answer = 2,500, and 20 for" in text
    assert "2,520 an account, 25,200 for 10" in text
    assert "2,520 / 180 = 14.0 minutes" in text
    assert "50.0 MB of Parquet an account x 10 = 500 MB" in text
    assert "3.0 an account x 10 = 30" in text
