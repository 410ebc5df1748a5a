"""Workers with homes of their own on several sources in one lake, killed at any moment: nothing lost, nothing twice."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from notion_pipeline.extraction.copied_stage import CopiedStage
from notion_pipeline.extraction.manifest import MANIFEST, Manifest, read_manifest
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.processes.many_workers import Account, Lake, ManyWorkers, Size
from notion_pipeline_tests.support.processes.s3 import S3Place, s3_place
from notion_pipeline_tests.support.processes.worker_crowd import Crowd, edit
from notion_pipeline_tests.support.shared_state import postgres_server
from notion_pipeline_tests.support.sync.crashes import MEETINGS
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY

pytestmark = [needs_ducklake, pytest.mark.slow]

REQUESTS_PER_MINUTE = 300
CONCURRENT_REQUESTS = 2
WORKERS_EACH = 2
PAGE = 100
MOST_EDITS = 300


@pytest.fixture
def server() -> Iterator[int]:
    with postgres_server() as port:
        yield port


@pytest.mark.parametrize(
    ("size", "rounds", "kills"),
    [
        pytest.param(Size(sources=2, databases=3, rows=5), 1, 1, id="quick"),
        pytest.param(Size(sources=4, databases=25, rows=12), 2, 2, id="whole", marks=pytest.mark.long),
    ],
)
def test_killed_workers_lose_nothing_and_double_nothing(
    server: int, tmp_path: Path, size: Size, rounds: int, kills: int
) -> None:
    limits = f"{{concurrent_requests: {CONCURRENT_REQUESTS}, requests_per_minute: {REQUESTS_PER_MINUTE}}}"
    with ExitStack() as stack:
        shared = ManyWorkers(tmp_path, server, stack, size, limits=limits)
        for account in shared.accounts:
            account.ws.oauth.settings.access_token_seconds = 5.0
            account.side.expire()
        crowd = Crowd(shared, rounds, kills)
        crowd.start(WORKERS_EACH)
        choice, edits = random.Random(1), 0
        while crowd.is_at_work:
            if edits < MOST_EDITS:
                edit(shared.accounts, choice)
                edits += 1
            time.sleep(0.3)
        assert not crowd.errors, "\n".join(crowd.errors)
        assert crowd.finished == size.sources * WORKERS_EACH * rounds
        assert sum(account.kills for account in shared.accounts) >= kills

        for account in shared.accounts:
            account.ws.clock.advance(timedelta(hours=1))
            shared.sync_here(account)
            account.ws.clock.advance(timedelta(hours=1))
            quiet = shared.sync_here(account)
            databases = len(account.ws.databases)
            assert f"{databases} databases synced, {databases} of them unchanged." in quiet.log
            assert sum(query.status != 401 for query in quiet.queries) <= databases
            assert_tokens_and_budget(account)
        with shared.reading() as connection:
            for account in shared.accounts:
                assert_equal_to_notion(Lake(connection), account)


def assert_tokens_and_budget(account: Account) -> None:
    (grant,) = account.ws.oauth.grants
    assert (account.ws.oauth.reused, grant.ended) == (0, False)
    assert grant.refreshes == len(grant.spent) > 1
    # A request has its turn when it goes; those that were on their way come late.
    late = CONCURRENT_REQUESTS * (WORKERS_EACH + account.kills)
    for seconds in (10.0, 60.0):
        assert account.arrivals.most_within(seconds) <= REQUESTS_PER_MINUTE / 60 * seconds + late


def assert_equal_to_notion(lake: Lake, account: Account) -> None:
    """Every table is as Notion's, and its history adds up to it: a line for each commit, each where the last ended."""
    source = account.source
    tables = dict(
        lake.query("SELECT data_source_id, table_name FROM _notion_pipeline.streams WHERE source = ?", [source])
    )
    assert tables.keys() == account.ws.data_sources.keys()
    assert len(set(tables.values())) == len(tables)
    assert lake.query(f"SELECT count(*) FROM {source}.databases") == [(len(account.ws.databases),)]
    for data_source in account.ws.data_sources.values():
        assert differences(lake, account.ws, data_source, schema=source) == []
        history = lake.query(
            "SELECT stage_id, bookmark_before, bookmark_after, rows_inserted - rows_removed "
            "FROM _notion_pipeline.syncs WHERE source = ? AND data_source_id = ? ORDER BY finished_at",
            [source, data_source.id],
        )
        assert len({line[0] for line in history}) == len(history)
        assert [line[1] for line in history] == [None, *(line[2] for line in history[:-1])]
        ((rows, bookmark),) = lake.query(
            f'SELECT (SELECT count(*) FROM {source}."{tables[data_source.id]}"), bookmark '
            "FROM _notion_pipeline.streams WHERE source = ? AND data_source_id = ?",
            [source, data_source.id],
        )
        assert (rows, bookmark) == (sum(line[3] for line in history), history[-1][2])
        assert rows == len(account.ws.rows(data_source))


@pytest.mark.parametrize(
    ("rows", "staging"),
    [
        pytest.param(1_000, "folder", id="goes on"),
        pytest.param(1_000, "bucket", id="goes on from a bucket"),
        pytest.param(1_000, "", id="starts over"),
        pytest.param(2_500, "bucket", id="goes on from a bucket, 2,500 rows", marks=pytest.mark.long),
        pytest.param(25_000, "folder", id="goes on, 25,000 rows", marks=pytest.mark.long),
    ],
)
def test_a_read_whose_worker_is_killed_costs_the_others_nothing(
    server: int, tmp_path: Path, rows: int, staging: str
) -> None:
    limits = f"{{concurrent_requests: {CONCURRENT_REQUESTS}}}"
    with ExitStack() as stack:
        size = Size(sources=4, databases=1, rows=5, large=rows)
        place = stack.enter_context(s3_place()) if staging == "bucket" else None
        shared = ManyWorkers(
            *(tmp_path, server, stack, size),
            limits=limits,
            staging=place.url if place is not None else staging and str(tmp_path / "staging"),
            environ=place.environ if place is not None else {},
        )
        busy, undisturbed, other, alone = shared.accounts
        pages = rows // PAGE
        stop = Fault("hang", match=QUERY, at=pages // 2, times=CONCURRENT_REQUESTS, seconds=PATIENCE)
        busy.ws.faults.add(stop)
        first = shared.start(busy, "first")
        second = shared.start(other, "second")
        assert first.wait(lambda: stop.fired == CONCURRENT_REQUESTS) is None
        if place is not None:
            assert first.wait(lambda: files_copied(place) == files_staged(tmp_path / "first") > 0) is None
        first.kill()
        assert second.wait() == 0, second.log

        before = busy.queries
        third = shared.start(busy, "third")
        assert third.wait() == 0, third.log
        after = busy.queries - before
        shared.sync_here(undisturbed)
        if staging:
            assert "goes on with" in third.log
            assert before + after <= undisturbed.queries + MEETINGS + 2 * CONCURRENT_REQUESTS
        else:
            assert "not committed starts over" in third.log
            assert after >= pages

        if place is not None:
            assert place.keys == []
        shared.sync_here(alone)
        assert len(other.ws.requests) == len(alone.ws.requests)
        with shared.reading() as connection:
            for account in shared.accounts:
                assert_equal_to_notion(Lake(connection), account)


def files_staged(root: Path) -> int:
    """How many answers a worker's own stages name."""
    found = [read_manifest(path.parent) for path in root.glob(f".notion_pipeline/staging/*/*/*/{MANIFEST}")]
    return sum(len(manifest.files) for manifest in found if isinstance(manifest, Manifest))


def files_copied(place: S3Place) -> int:
    """How many answers the copies in the bucket name."""
    folders = [key.rpartition("/")[0] for key in place.keys if key.endswith(MANIFEST)]
    found = [CopiedStage.read(place.bucket, folder, ()).manifest for folder in folders]
    return sum(len(manifest.files) for manifest in found if isinstance(manifest, Manifest))
