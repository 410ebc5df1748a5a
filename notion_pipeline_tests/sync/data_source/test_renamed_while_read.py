"""A property that takes an excluded name while it is read is not loaded, however often the read starts over."""

from __future__ import annotations

import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.config.test_names_kept import SECRET, configure, everything
from notion_pipeline_tests.support.whole_way import QUERY, Pipeline, later, synced

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("at", [2, 4, 5])
def test_property_that_takes_an_excluded_name_during_the_read(
    workspace: Workspace, pipeline: Pipeline, at: int
) -> None:
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Salary]}')
    schema = {"Name": "title", "Salary": "number", "Pay": "number", "Age": "number"}
    source = workspace.add_database("People", schema).data_source
    source.add_page({"Name": "Ada", "Salary": 1, "Pay": 98765.25, "Age": 3})
    later(workspace, hours=1)

    def swap(*_: object) -> None:
        source.rename_property("Salary", "Former")
        source.rename_property("Pay", "Salary")

    # The first change makes the read start over; the other one comes in the midst of the first try or of the second.
    workspace.faults.add(Fault("call", match=QUERY, at=1, callable=lambda *_: source.rename_property("Age", "Years")))
    workspace.faults.add(Fault("call", match=QUERY, at=at, callable=swap))
    run = pipeline.sync()
    assert run.success or "took the name of an excluded one" in run.log
    assert SECRET not in everything(pipeline)
    synced(pipeline)
    assert SECRET not in everything(pipeline)
    assert pipeline.count("people") == 1
