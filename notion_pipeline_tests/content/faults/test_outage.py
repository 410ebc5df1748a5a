"""Notion that does not answer: content ends soon, and what was read stays."""

from __future__ import annotations

from pathlib import Path

from notion_pipeline.content.reader import MOST_FAILURES_IN_A_ROW
from notion_pipeline.errors import RetryableNotionError
from notion_pipeline.notion.retries import ATTEMPTS
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline_tests.support.content.faults import content_world


def test_outage_ends_the_run_instead_of_failing_page_after_page(tmp_path: Path) -> None:
    with content_world(tmp_path, at_once=4) as made:
        for number in range(60):
            made.source.add_page({"Name": f"More {number}"}, content="Words.")
        made.sync_rows()
        made.workspace.faults.add(Fault("status", match="/markdown", at=11, times=10_000))
        outcome = made.engine.read_all()
        made.workspace.faults.clear()
        assert isinstance(outcome.errors["page_content"], RetryableNotionError)
        asked = sum(request.path.endswith("/markdown") for request in outcome.requests)
        assert asked <= 10 + (MOST_FAILURES_IN_A_ROW + 4) * ATTEMPTS
        assert made.engine.query("SELECT count(*) FROM notion.page_content")[0][0] > 3
        assert made.engine.read_all().success
        made.compare("after the outage")
        assert not made.tally.problems
