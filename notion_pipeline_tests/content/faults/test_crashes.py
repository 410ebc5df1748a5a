"""A run of content that is killed loses a batch: the quick form of `... support.content.crashes`."""

from __future__ import annotations

from pathlib import Path

import pytest

from notion_pipeline_tests.support.content.crashes import ContentCrashes

pytestmark = [pytest.mark.slow, pytest.mark.long]

KILLS = 4


def test_killed_runs_end_in_content_equal_to_notion(tmp_path: Path) -> None:
    toll = ContentCrashes(tmp_path, pages=30, seed=3).run(KILLS)
    assert not toll.differences
    assert not toll.over_budget
    assert toll.kills == KILLS
