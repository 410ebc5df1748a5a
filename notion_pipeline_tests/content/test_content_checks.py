"""The checks of `S/page_content`: what they find, and that a run of content tells only what is news."""

from __future__ import annotations

import dagster as dg
from dagster import DagsterEventType

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import DataSource
from notion_pipeline_tests.support.whole_way import REFUSAL, Pipeline, later, synced

JOB = "notion_content"
PAGE_CONTENT = dg.AssetKey(["notion", "page_content"])
NAMES = {"complete", "unique"}


def evaluations(pipeline: Pipeline) -> dict[str, dg.AssetCheckEvaluation]:
    """What the newest run says of the checks."""
    (run,) = pipeline.instance.get_runs(limit=1)
    records = pipeline.instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION).records
    events = [record.event_log_entry.dagster_event for record in records]
    found = [event.asset_check_evaluation_data for event in events if event is not None]
    return {evaluation.check_name: evaluation for evaluation in found if evaluation.asset_key == PAGE_CONTENT}


def check_alone(pipeline: Pipeline) -> dict[str, dg.AssetCheckEvaluation]:
    """Runs the checks without a read, as the UI's button does."""
    job = pipeline.definitions().resolve_implicit_global_asset_job_def()
    keys = {dg.AssetCheckKey(PAGE_CONTENT, name) for name in NAMES}
    job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(instance=pipeline.instance)
    return evaluations(pipeline)


def test_checks_pass_after_a_run_and_tell_only_what_is_news(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    synced(words, JOB)
    found = evaluations(words)
    assert {name: evaluation.passed for name, evaluation in found.items()} == dict.fromkeys(NAMES, True)
    assert found["complete"].description == "3 pages looked at."
    synced(words, JOB)
    assert evaluations(words) == {}
    workspace.edit_page(tasks.pages[0], {"Effort": 1})
    later(workspace, hours=1)
    synced(words)
    synced(words, JOB)
    assert evaluations(words).keys() == NAMES


def test_pages_without_content_are_a_warning_that_counts_and_names_some(
    words: Pipeline, workspace: Workspace, tasks: DataSource
) -> None:
    for number in range(9):
        tasks.add_page({"Name": f"Page {number} {'long ' * 60}"})
    later(workspace, hours=1)
    synced(words)
    workspace.faults.add(Fault("status", match="/markdown$", times=8, **REFUSAL))
    assert not words.sync(JOB).success
    found = evaluations(words)["complete"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description is not None
    assert found.description.startswith("8 pages have no content; a run of content reads them. Among them: ")
    assert len(found.description.encode()) < 1_000
    synced(words, JOB)
    assert evaluations(words)["complete"].passed


def test_rows_that_repeat_a_page_are_an_error(words: Pipeline, tasks: DataSource) -> None:
    synced(words, JOB)
    page = tasks.pages[0].id
    words.change(f"INSERT INTO notion.page_content SELECT * FROM notion.page_content WHERE page_id = '{page}'")
    found = check_alone(words)
    assert found["complete"].passed
    assert (found["unique"].passed, found["unique"].severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found["unique"].description == f"1 pages have several rows of content. Among them: {page}."


def test_checks_pass_before_the_first_content(words: Pipeline) -> None:
    found = check_alone(words)
    assert {name: evaluation.description for name, evaluation in found.items()} == dict.fromkeys(
        NAMES, "No run has read any content yet."
    )
    assert all(evaluation.passed for evaluation in found.values())
