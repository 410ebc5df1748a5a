"""Every cell of a table is what Notion holds: of the sample workspace, and of a database of many types under edits."""

from __future__ import annotations

import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.bulk import add_rows, bulk_schema
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.sample import sample_workspace
from notion_pipeline_tests.conftest import TOKEN
from notion_pipeline_tests.support.sync.truth import differences
from notion_pipeline_tests.support.whole_way import QUERY, REFUSAL, Pipeline, later, synced


class TestSample:
    """The sample workspace, which holds whatever makes reading Notion hard."""

    @pytest.fixture
    def workspace(self) -> Workspace:
        return sample_workspace(token=TOKEN)

    @pytest.mark.slow
    def test_every_cell_is_what_notion_holds(self, workspace: Workspace, pipeline: Pipeline) -> None:
        synced(pipeline)
        assert everything_differs(pipeline, workspace) == []


def everything_differs(pipeline: Pipeline, workspace: Workspace) -> list[str]:
    shared = [database for database in workspace.databases.values() if database.shared and not database.in_trash]
    return [line for d in shared for source in d.data_sources for line in differences(pipeline, workspace, source)]


@pytest.mark.slow
def test_database_of_many_types_lands_cell_by_cell_through_edits(workspace: Workspace, pipeline: Pipeline) -> None:
    """Windows, a killed read, edits during one and after it: at the end the table is what Notion holds."""
    workspace.result_cap = 400
    workspace.switches.update({"unstable_ties": True, "live_cursors": True})
    source = workspace.add_database("Bulk", bulk_schema()).data_source
    rows = add_rows(source, 1200, start="2026-03-01T00:00:00Z", minutes=300)
    for row in rows[100:110]:
        workspace.archive(row)

    def meanwhile() -> None:
        later(workspace, minutes=1)
        for row in rows[::50]:
            workspace.edit_page(row, {"Name": "Edited", "Amount 1": -1})
        workspace.archive(rows[7])
        workspace.unarchive(rows[105])

    workspace.faults.add(Fault("status", match=QUERY, at=6, **REFUSAL))
    workspace.faults.add(Fault("call", match=QUERY, at=9, callable=meanwhile))
    assert not pipeline.sync().success
    synced(pipeline)
    assert pipeline.count("bulk") == 1200
    later(workspace, hours=1)
    synced(pipeline, "notion_full_sync")
    assert differences(pipeline, workspace, source) == []
    later(workspace, hours=1)
    for row in rows[3::40]:
        workspace.edit_page(
            row, {"State": "Done", "Tags": ["red"], "Due": {"start": "2026-07-01", "end": "2026-07-09"}}
        )
    synced(pipeline)
    assert pipeline.last_sync()["rows_updated"] == 30
    assert differences(pipeline, workspace, source) == []
