"""Random edits, syncs and reads of content: the quick form of `... support.content.model`."""

from __future__ import annotations

import pytest

from notion_pipeline_tests.support.content.model import play

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_content_is_notions_after_each_run_whatever_was_edited() -> None:
    tally, problems = play(2, steps=40)
    assert not problems, "\n".join(problems[:20])
    assert tally["compared"] > 10
    assert tally["reads"] > 3
