"""Random edits and syncs against a plain model: the quick form of `... support.sync.model`."""

from __future__ import annotations

import pytest

from notion_pipeline_tests.support.sync.model import play

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_syncs_keep_their_promises_through_random_edits() -> None:
    tally = play(5, steps=20, derandomize=True)
    assert tally["full"] > 3
    assert tally["incremental"] > 3
    assert tally["edits"] > 20
