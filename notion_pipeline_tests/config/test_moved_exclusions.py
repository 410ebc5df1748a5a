"""A data source that is moved to another database keeps its properties out that the settings of the former exclude."""

from __future__ import annotations

import pytest

from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.config.test_names_kept import SECRET, columns, configure, everything, people_in
from notion_pipeline_tests.support.whole_way import Pipeline, later, synced

pytestmark = [pytest.mark.slow, pytest.mark.long]


#: Keys of `streams` besides the one of People.
ARCHIVE_SETTINGS = {"none": (), "of its own": ('  "Archive": {exclude_properties: [Grade]}',)}


@pytest.mark.parametrize("settings", ARCHIVE_SETTINGS)
@pytest.mark.parametrize("is_renamed", [False, True])
def test_property_stays_excluded_where_its_data_source_is_moved(
    workspace: Workspace, pipeline: Pipeline, settings: str, is_renamed: bool
) -> None:
    people = people_in(workspace)
    key = f'  "{people.id}": {{exclude_properties: [Salary]}}'
    configure(pipeline, "streams:", key, *ARCHIVE_SETTINGS[settings])
    archive = workspace.add_database("Archive", {"Name": "title", "Grade": "select"})
    later(workspace, hours=1)
    synced(pipeline)
    if is_renamed:
        workspace.rename_property(people.data_source, "Salary", "Pay")
    workspace.move_data_source(people.data_source, archive)
    later(workspace, hours=1)
    pipeline.sync()
    assert SECRET not in everything(pipeline)
    pipeline.sync("notion_full_sync")
    pipeline.sync(partition="archive")
    assert SECRET not in everything(pipeline)
    assert "salary" not in columns(pipeline)
    assert "pay" not in columns(pipeline)


def test_property_is_loaded_once_the_former_database_excludes_it_no_more(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    people = people_in(workspace)
    others = people_in(workspace, "Others")
    excluded = "{exclude_properties: [Salary]}"
    configure(pipeline, "streams:", f'  "{people.id}": {excluded}', f'  "{others.id}": {excluded}')
    archive = workspace.add_database("Archive", {"Name": "title"})
    later(workspace, hours=1)
    synced(pipeline)
    workspace.move_data_source(people.data_source, archive)
    later(workspace, hours=1)
    pipeline.sync()  # fails for People, which has nothing to read any more
    assert columns(pipeline) == ["name", "grade"]
    configure(pipeline, "streams:", f'  "{others.id}": {excluded}')
    pipeline.sync()
    assert set(columns(pipeline)) == {"name", "salary", "grade"}
    assert columns(pipeline, "others") == ["name", "grade"]
