"""Schedules: what sources.yaml asks for runs by itself, and no tick overtakes its predecessor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType

from notion_pipeline.config.sources import parse_sources
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import find_project

SOURCES = {
    "sources": [
        {
            "name": "notion",
            "account": {"type": "token"},
            "schedule": ["0 6 * * *", "30 18 * * 1-5"],
            "full_sync_schedule": "0 3 * * 0",
            "timezone": "Europe/Paris",
        },
        {"name": "other", "account": {"type": "token"}},
        {
            "name": "words",
            "account": {"type": "token"},
            "content": {"comments": True, "schedule": "0 4 * * *"},
            "timezone": "Europe/Paris",
        },
    ]
}


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    return build_definitions(find_project(tmp_path, environ={}), parse_sources(SOURCES))


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """Schedules want one that other processes could open; each test ends the runs that it begins."""
    with dg.instance_for_test(temp_dir=str(tmp_path_factory.mktemp("dagster"))) as found:
        yield found


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance, name: str) -> dg.RunRequest | dg.SkipReason:
    with dg.build_schedule_context(instance=instance) as context:
        (found,) = definitions.resolve_schedule_def(name)(context)
    return found


def test_schedules_are_those_of_sources_yaml_and_run_by_themselves(definitions: dg.Definitions) -> None:
    found = {schedule.name: schedule for schedule in definitions.schedules or []}
    assert found.keys() == {"notion_schedule", "notion_full_sync_schedule", "words_content_schedule"}
    words = found["words_content_schedule"]
    assert (words.cron_schedule, words.job_name) == ("0 4 * * *", "words_content")
    daily, weekly = found["notion_schedule"], found["notion_full_sync_schedule"]
    assert (daily.cron_schedule, daily.job_name) == (["0 6 * * *", "30 18 * * 1-5"], "notion_sync")
    assert (weekly.cron_schedule, weekly.job_name) == ("0 3 * * 0", "notion_full_sync")
    for schedule in found.values():
        assert schedule.execution_timezone == "Europe/Paris"
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


@pytest.mark.parametrize("name", ["notion_schedule", "notion_full_sync_schedule"])
def test_tick_asks_for_one_run_without_a_partition(
    definitions: dg.Definitions, instance: dg.DagsterInstance, name: str
) -> None:
    request = tick(definitions, instance, name)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key is None


@pytest.mark.parametrize("reached", [None, DagsterEventType.RUN_STARTING, DagsterEventType.RUN_START])
def test_tick_is_skipped_while_its_predecessor_is_not_finished(
    definitions: dg.Definitions, instance: dg.DagsterInstance, reached: DagsterEventType | None
) -> None:
    run = instance.create_run_for_job(definitions.resolve_job_def("notion_sync"))
    if reached is not None:
        instance.report_dagster_event(dg.DagsterEvent(reached.value, job_name="notion_sync"), run_id=run.run_id)
    found = tick(definitions, instance, "notion_schedule")
    assert isinstance(found, dg.SkipReason)
    assert run.run_id in str(found.skip_message)
    # Other jobs do not wait for it: databases have locks of their own.
    assert isinstance(tick(definitions, instance, "notion_full_sync_schedule"), dg.RunRequest)
    instance.report_run_failed(run)
    assert isinstance(tick(definitions, instance, "notion_schedule"), dg.RunRequest)


DATABASES, CONTENT = dg.AssetKey(["notion", "databases"]), dg.AssetKey(["notion", "database"])
ONE = {"ops": {"notion__database": {"config": {"databases": ["Tasks"]}}}}
ALL = {"ops": {"notion__database": {"config": {"databases": ["*"], "sync_type": "FULL_TABLE"}}}}
INCREMENTAL = {"ops": {"notion__database": {"config": {"sync_type": "INCREMENTAL"}}}}
ONE_IN_WORDS = {"ops": {"words__content": {"config": {"databases": ["Tasks"]}}}}
WORDS = [dg.AssetKey(["words", name]) for name in ("content", "pages", "users", "comments")]
RANGE = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "job", "run", "drops"),
    [
        ("notion_schedule", "notion_sync", {"run_config": ONE}, False),
        ("notion_schedule", "notion_sync", {"asset_selection": frozenset({DATABASES})}, False),
        ("notion_schedule", "notion_sync", {"asset_selection": frozenset({CONTENT})}, False),
        ("notion_schedule", "notion_sync", {"tags": {"dagster/partition": "a"}}, False),
        ("notion_schedule", "notion_sync", {"tags": RANGE}, False),
        ("notion_schedule", "notion_sync", {"run_config": ALL}, True),
        ("notion_schedule", "notion_sync", {"asset_selection": frozenset({DATABASES, CONTENT})}, True),
        ("notion_full_sync_schedule", "notion_full_sync", {"run_config": ONE}, False),
        ("notion_full_sync_schedule", "notion_full_sync", {"run_config": INCREMENTAL}, False),
        ("notion_full_sync_schedule", "notion_full_sync", {}, True),
        ("words_content_schedule", "words_content", {}, True),
        ("words_content_schedule", "words_content", {"asset_selection": frozenset(WORDS)}, True),
        ("words_content_schedule", "words_content", {"asset_selection": frozenset(WORDS[:1])}, False),
        ("words_content_schedule", "words_content", {"run_config": ONE_IN_WORDS}, False),
        ("words_content_schedule", "words_sync", {}, False),
    ],
)
def test_only_a_run_that_does_all_of_it_holds_a_tick_back(
    definitions: dg.Definitions, instance: dg.DagsterInstance, name: str, job: str, run: dict[str, Any], drops: bool
) -> None:
    instance.add_dynamic_partitions("notion_databases", ["a", "b"])
    made = instance.create_run_for_job(definitions.resolve_job_def(job), **run)
    try:
        found = tick(definitions, instance, name)
        assert isinstance(found, dg.SkipReason if drops else dg.RunRequest)
    finally:
        instance.report_run_failed(made)


def test_partial_run_hides_no_whole_one(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    job = definitions.resolve_job_def("notion_sync")
    made = [instance.create_run_for_job(job), instance.create_run_for_job(job, run_config=ONE)]
    try:
        found = tick(definitions, instance, "notion_schedule")
        assert isinstance(found, dg.SkipReason)
        assert made[0].run_id in str(found.skip_message)
    finally:
        for run in made:
            instance.report_run_failed(run)
