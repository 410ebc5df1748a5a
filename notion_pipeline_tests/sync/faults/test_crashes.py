"""A process that is killed loses nothing: the quick form of `... support.sync.crashes`."""

from __future__ import annotations

from pathlib import Path

import pytest

from notion_pipeline_tests.support.sync.crash_child import POINTS
from notion_pipeline_tests.support.sync.crashes import Crashes

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_killed_syncs_end_in_tables_equal_to_notion(tmp_path: Path) -> None:
    toll = Crashes(tmp_path, rows=700, small=3, seed=3).run(len(POINTS) + 1)
    assert not toll.differences
    assert not toll.over_budget
    assert toll.kills == len(POINTS) + 1
