"""A name in sources.yaml may mean a database that could not be listed; it means that one from then on."""

from __future__ import annotations

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.config.test_names_kept import SECRET, configure, everything, people_in
from notion_pipeline_tests.support.whole_way import REFUSAL, Pipeline, later


def test_titles_swapped_after_a_first_listing_that_one_of_them_failed(workspace: Workspace, pipeline: Pipeline) -> None:
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Salary]}')
    people = people_in(workspace)
    public = workspace.add_database("Public", {"Name": "title", "Fee": "number"})
    workspace.faults.add(Fault("status", match=f"GET .*/databases/{people.id}$", times=99, **REFUSAL))
    assert not pipeline.sync().success
    workspace.faults.clear()
    workspace.rename_property(people.data_source, "Salary", "Fee")
    for database, title in ((people, "Other"), (public, "People"), (people, "Public")):
        workspace.rename_database(database, title)
    later(workspace, hours=1)
    run = pipeline.sync()
    assert 'Database "Public"' in run.log
    assert 'exclude_properties names "Salary"' in run.log
    assert SECRET not in everything(pipeline)
