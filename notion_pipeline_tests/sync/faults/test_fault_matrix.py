"""Faults at the requests of a small sync: the quick form of `... support.sync.fault_matrix`.

Faults that pass are tried at every request, all kinds at each; of those that last every request meets one. The long
form tries each at each, alone.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from notion_pipeline.errors import NotionNotFoundError
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.bulk import add_rows
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.sync.engine import TOKEN, Engine
from notion_pipeline_tests.support.sync.fault_matrix import LASTING, PASSING, SIDES, Matrix, Tally, world
from notion_pipeline_tests.support.sync.truth import differences

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_every_request_may_fail_in_every_way_that_passes(tmp_path: Path) -> None:
    tally = Tally()
    with world(tmp_path, full=True, switches={}) as made:
        matrix = Matrix(made, tally)
        requests = matrix.undisturbed()
        for shift in range(len(PASSING)):
            matrix.every_request(shift, requests)
    assert not tally.problems, "\n".join(tally.problems)
    assert min(tally.faults[name] for name in PASSING) >= requests - 1


@pytest.mark.parametrize(("side", "full"), [("as assumed", True), ("otherwise", False)])
def test_fault_that_lasts_leaves_the_old_table_and_says_why(tmp_path: Path, side: str, full: bool) -> None:
    tally = Tally()
    names = list(LASTING)
    with world(tmp_path, full=full, switches=SIDES[side]) as made:
        matrix = Matrix(made, tally, side)
        next(at for at in count(1) if not matrix.case(names[(5 * at + 3 * full) % len(names)], at))
    assert not tally.problems, "\n".join(tally.problems)
    assert sum(tally.faults.values()) > 5


@pytest.mark.parametrize("full", [True, False], ids=["full", "incremental"])
def test_database_unshared_while_references_are_asked_for_loses_no_row(tmp_path: Path, full: bool) -> None:
    """Its page is as hidden as a deleted one's, which is left out: the row must not be, nor its newest edit."""
    with world(tmp_path, full=full, switches={}) as made:
        made.edit()
        unshare = Fault("call", match="/properties/", callable=lambda: made.workspace.unshare(made.links))
        made.workspace.faults.add(unshare)
        outcome = made.engine.attempt("FULL_TABLE" if full else None)
        assert isinstance(outcome.errors[made.links.id], NotionNotFoundError)
        made.workspace.share(made.links)
        assert made.engine.attempt("FULL_TABLE" if full else None).success
        assert made.differences() == []


def test_relation_whose_target_comes_back_is_read_again(tmp_path: Path) -> None:
    """While its target is out of sight Notion shows it as empty, and its return is no edit of the row."""
    with world(tmp_path, full=False, switches={}) as made:
        made.workspace.unshare(made.tasks)
        made.edit()
        assert made.engine.attempt().success
        assert made.engine.query("SELECT tasks FROM notion.links WHERE name LIKE 'Large%'") == [([],)]
        made.workspace.share(made.tasks)
        made.edit()
        assert made.engine.attempt().success
        assert made.differences() == []


def test_pages_are_halved_where_notion_runs_out_of_time_and_grow_back(tmp_path: Path) -> None:
    workspace = Workspace(token=TOKEN)
    source = workspace.add_database("Tasks", {"Name": "title"}).data_source
    add_rows(source, 900, start="2026-01-01T00:00:00Z", minutes=900)
    workspace.faults.add(Fault("timeout_503", match="/query$", at=4, times=2))
    with SandboxServer(workspace) as server:
        # One after another: which of several requests under way is answered first is chance.
        engine = Engine(workspace, server.url, tmp_path, settings={"limits": {"concurrent_requests": 1}})
        outcome = engine.attempt()
        assert outcome.success, outcome.reasons
        assert differences(engine, workspace, source) == []
    sizes = [request.body["page_size"] for request in outcome.requests if request.path.endswith("/query")]
    assert sizes[:6] == [100, 100, 100, 100, 50, 25]
    assert sizes[-1] == 100
    assert set(sizes) == {100, 50, 25}
