"""Runs name their account, without a secret, and Dagster's queue limits them by it as docs/operating.md says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster import DagsterRunStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from notion_pipeline.config.sources import parse_sources
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.defs.runs.account_tags import ACCOUNT_TAG, CONTENT_ACCOUNT_TAG, known_account
from notion_pipeline.project import find_project

ROOT = Path(__file__).parents[3]
TOKEN, OTHER_TOKEN = "ntn_" + "a1" * 23, "ntn_" + "b2" * 23
SHARED: dict[str, Any] = {"type": "token", "token": {"env": "SHARED"}}


def job_tags(folder: Path, environ: Mapping[str, str], *sources: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The tags that each job gives its runs."""
    definitions = build_definitions(find_project(folder, environ=environ), parse_sources({"sources": list(sources)}))
    jobs = definitions.get_repository_def().get_all_jobs()
    return {job.name: dict(job.run_tags) for job in jobs if not job.name.startswith("__")}


def test_sources_of_one_token_share_the_tag_and_content_has_its_own(tmp_path: Path) -> None:
    found = job_tags(
        tmp_path,
        {"SHARED": TOKEN, "SAME": f" {TOKEN} ", "OTHER": OTHER_TOKEN},
        {"name": "sales", "account": SHARED, "content": {}},
        {"name": "product", "account": {"type": "token", "token": {"env": "SAME"}}},
        {"name": "partners", "account": {"type": "token", "token": {"env": "OTHER"}}},
    )
    account = found["sales_sync"][ACCOUNT_TAG]
    assert {found[job][ACCOUNT_TAG] for job in ("sales_full_sync", "product_sync", "product_full_sync")} == {account}
    assert found["sales_content"] == {CONTENT_ACCOUNT_TAG: account}
    assert found["partners_sync"][ACCOUNT_TAG] not in (account, "OTHER")
    assert TOKEN not in str(found)
    assert OTHER_TOKEN not in str(found)


def test_account_that_is_not_known_yet_goes_by_its_setting(tmp_path: Path) -> None:
    by_variable, by_workspace = parse_sources(
        {
            "sources": [
                {"name": "kept", "account": SHARED},
                {"name": "browser", "account": {"type": "oauth", "workspace": "Partners"}},
            ]
        }
    ).sources
    assert known_account(by_variable, {}) == "SHARED"
    assert known_account(by_workspace, {}) == "Partners"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance whose queue has the limits of the page."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(concurrency:.*?)```", page, re.DOTALL)
    folder = tmp_path / "dagster"
    folder.mkdir()
    with dg.instance_for_test(temp_dir=str(folder), overrides=yaml.safe_load(block)) as found:
        yield found


def test_queue_starts_one_run_of_an_account_and_content_beside_it(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    tags = job_tags(
        tmp_path,
        {"SHARED": TOKEN, "OTHER": OTHER_TOKEN},
        {"name": "sales", "account": SHARED, "content": {}},
        {"name": "product", "account": SHARED, "content": {}},
        {"name": "partners", "account": {"type": "token", "token": {"env": "OTHER"}}},
    )

    @dg.job
    def empty() -> None:
        """A run of any job: the queue sees its tags alone."""

    asked_for = ("sales_sync", "product_sync", "sales_content", "product_content", "partners_sync", "sales_full_sync")
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "here").get_job_origin("empty")
    for job in asked_for:
        instance.create_run_for_job(
            empty, status=DagsterRunStatus.QUEUED, tags={**tags[job], "job": job}, remote_job_origin=origin
        )
    with QueuedRunCoordinatorDaemon(interval_seconds=1) as queue:
        started = queue._get_runs_to_dequeue(instance, instance.get_concurrency_config(), fixed_iteration_time=None)
    assert [run.tags["job"] for run in started] == ["sales_sync", "sales_content", "partners_sync"]
