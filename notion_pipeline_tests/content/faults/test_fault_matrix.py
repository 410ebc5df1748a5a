"""Faults at the requests of a small run of content: the quick form of `... support.content.faults`.

Each request meets some of the faults, and each fault some of the requests; the long form tries each at each.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from notion_pipeline_tests.support.content.faults import QUICK, content_world

pytestmark = [pytest.mark.slow, pytest.mark.long]

STRIDE = 9
LASTING = (("400", 1), ("404 once", 2), ("500 eight times", 3), ("401 once", 4))


def test_every_request_may_fail_in_several_ways_that_pass(tmp_path: Path) -> None:
    with content_world(tmp_path) as made:
        requests = made.undisturbed()
        for shift in range(0, len(QUICK), STRIDE):
            made.every_request(shift, requests)
    assert not made.tally.problems, "\n".join(made.tally.problems)
    assert min(made.tally.faults[name] for name in QUICK) >= 1


def test_fault_that_lasts_names_its_page_and_spares_the_others(tmp_path: Path) -> None:
    with content_world(tmp_path) as made:
        assert all(made.case(name, at) for name, at in LASTING)
    assert not made.tally.problems, "\n".join(made.tally.problems)
