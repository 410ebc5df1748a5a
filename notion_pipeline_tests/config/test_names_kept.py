"""Names in sources.yaml are resolved once and kept by id: what is excluded or left out stays so through renames."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.whole_way import QUERY, REFUSAL, Pipeline, later, synced, tasks_in

pytestmark = [pytest.mark.slow, pytest.mark.long]


SECRET = "987650123"


def configure(pipeline: Pipeline, *lines: str) -> None:
    account = "account: {type: token, token: {env: NOTION_TOKEN}}"
    pipeline.configure(
        "\n".join(["sources:", "  - name: notion", f"    {account}", *(f"    {line}" for line in lines)])
    )


def people_in(workspace: Workspace, title: str = "People", secret: str = "Salary") -> Database:
    """A database of one row, whose secret is the number 987650123.4321."""
    schema = {"Name": "title", secret: "number", "Grade": {"type": "select", "options": ["Top"]}}
    database = workspace.add_database(title, schema)
    database.data_source.add_page({"Name": "Ada", secret: 987650123.4321, "Grade": "Top"})
    later(workspace, hours=1)
    return database


def everything(pipeline: Pipeline) -> str:
    """All values of all tables of the catalog, its columns with their comments, and all files of the state."""
    named = "SELECT schema_name, table_name FROM duckdb_tables()"
    found = [str(pipeline.query("SELECT schema_name, table_name, column_name, comment FROM duckdb_columns()"))]
    found += [str(pipeline.query(f'SELECT * FROM "{schema}"."{table}"')) for schema, table in pipeline.query(named)]
    found += [file.read_bytes().decode("latin-1") for file in _files(pipeline.project.home)]
    return "\n".join(found)


def _files(folder: Path) -> Iterator[Path]:
    yield from (file for file in folder.rglob("*") if file.is_file())


def columns(pipeline: Pipeline, table: str = "people") -> list[str]:
    rows = pipeline.query(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", [table]
    )
    return [row[0] for row in rows if row[0] in ("name", "salary", "pay", "grade", "wage")]


def state_is_lost(pipeline: Pipeline) -> None:
    catalogs.remove(pipeline.project.root)
    shutil.rmtree(pipeline.project.home)


# Excluded properties


@pytest.mark.parametrize("entry", ["Salary", "salary", "SALÁRY", "Salary "])
@pytest.mark.parametrize("how", ["notion_sync", "notion_full_sync", "partition"])
def test_property_renamed_in_notion_stays_excluded(
    workspace: Workspace, pipeline: Pipeline, entry: str, how: str
) -> None:
    configure(pipeline, "streams:", f'  "People": {{exclude_properties: ["{entry}"]}}')
    people = people_in(workspace)
    synced(pipeline)
    assert columns(pipeline) == ["name", "grade"]
    workspace.rename_property(people.data_source, "Salary", "Pay")
    later(workspace, hours=1)
    workspace.edit_page(people.data_source.pages[0], {"Pay": 987650123.5})
    later(workspace, hours=1)
    workspace.faults.add(Fault("status", match=QUERY, at=3, **REFUSAL))
    _ = pipeline.sync(partition="people") if how == "partition" else pipeline.sync(how)
    assert SECRET not in everything(pipeline)  # in the midst of a read as well
    workspace.faults.clear()
    run = synced(pipeline)
    assert "the excluded property" in run.log
    assert '"Pay" in Notion now' in run.log
    assert columns(pipeline) == ["name", "grade"]
    assert SECRET not in everything(pipeline)


#: In another width, or with signs that do not show.
TWINS = ["\uff33alary", "Sa\u00adlary", "Salary\u200b", "\u2066Salary\u2069", "\u00a0Salary", "\ufb01"]


@pytest.mark.parametrize("twin", TWINS)
def test_property_that_looks_like_an_excluded_one_is_excluded_beside_it(
    workspace: Workspace, pipeline: Pipeline, twin: str
) -> None:
    name = "fi" if twin == "\ufb01" else "Salary"
    configure(pipeline, "streams:", f'  "People": {{exclude_properties: [{name}]}}')
    people = people_in(workspace, secret=name)
    workspace.add_property(people.data_source, twin, "number")
    workspace.edit_page(people.data_source.pages[0], {twin: 987650123.25})
    later(workspace, hours=1)
    synced(pipeline)
    assert SECRET not in everything(pipeline)


def test_another_property_that_takes_the_name_is_excluded_too_and_stays_so(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Salary]}')
    people = people_in(workspace)
    synced(pipeline)
    workspace.rename_property(people.data_source, "Salary", "Pay")
    workspace.add_property(people.data_source, "salary", "number")
    workspace.edit_page(people.data_source.pages[0], {"salary": 987650123.25})
    later(workspace, hours=1)
    synced(pipeline, partition="people")  # without a listing
    workspace.rename_property(people.data_source, "salary", "Wage")
    later(workspace, hours=1)
    synced(pipeline, partition="people")
    assert columns(pipeline) == ["name", "grade"]
    synced(pipeline, "notion_full_sync")
    assert columns(pipeline) == ["name", "grade"]
    assert SECRET not in everything(pipeline)


def test_property_that_is_renamed_to_an_excluded_name_goes_with_its_column(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Salary, Grade]}')
    people = people_in(workspace)
    workspace.rename_property(people.data_source, "Salary", "Bonus")
    configure(pipeline)
    synced(pipeline)
    assert SECRET in everything(pipeline)
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Grade, Bonus]}')
    synced(pipeline)
    assert SECRET not in everything(pipeline)
    assert columns(pipeline) == ["name"]


def test_name_that_fits_no_property_fails_its_database_alone(workspace: Workspace, pipeline: Pipeline) -> None:
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Salery]}')
    people_in(workspace)
    tasks_in(workspace)
    run = pipeline.sync()
    assert not run.success
    assert pipeline.count("tasks") == 5
    assert '"Salery" (nearest is "Salary")' in run.log
    assert '"People"' in run.log
    assert SECRET not in everything(pipeline)
    assert columns(pipeline) == []
    assert not pipeline.sync(only=["People"]).success
    message = Commands(pipeline.project).run("check")
    assert message.exit_code == 1
    assert '"Salery" (nearest is "Salary")' in message.output
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Salary]}')
    synced(pipeline)
    assert columns(pipeline) == ["name", "grade"]


def test_excluded_property_that_is_deleted_in_notion_is_no_error(workspace: Workspace, pipeline: Pipeline) -> None:
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Salary]}')
    people = people_in(workspace)
    synced(pipeline)
    workspace.remove_property(people.data_source, "Salary")
    later(workspace, hours=1)
    synced(pipeline)
    assert Commands(pipeline.project).run("check").exit_code == 0


def test_lost_catalog_and_a_renamed_property_end_in_an_error_and_no_leak(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Salary]}')
    people = people_in(workspace)
    synced(pipeline)
    workspace.rename_property(people.data_source, "Salary", "Pay")
    state_is_lost(pipeline)
    run = pipeline.sync()
    assert not run.success
    assert '"Salary"' in run.log
    assert SECRET not in everything(pipeline)


def test_column_from_before_the_exclusion_goes(workspace: Workspace, pipeline: Pipeline) -> None:
    people_in(workspace)
    synced(pipeline)
    assert columns(pipeline) == ["name", "salary", "grade"]
    configure(pipeline, "streams:", '  "people": {exclude_properties: [salary]}')
    run = synced(pipeline)
    assert "other properties are excluded" in run.log
    assert columns(pipeline) == ["name", "grade"]
    assert SECRET not in everything(pipeline)


def test_excluded_by_id_stays_so_and_takes_no_other(workspace: Workspace, pipeline: Pipeline) -> None:
    people = people_in(workspace)
    property_id = people.data_source.properties["Salary"].id
    configure(pipeline, "streams:", f'  "People": {{exclude_properties: ["{property_id}"]}}')
    synced(pipeline)
    workspace.rename_property(people.data_source, "Salary", "Pay")
    synced(pipeline)
    assert columns(pipeline) == ["name", "grade"]
    assert SECRET not in everything(pipeline)


# Settings keyed by the title of a database


@pytest.mark.parametrize(
    "key", ["People", "people", "{id}", "database_{id}", "https://www.notion.so/acme/People-{hex}?v={view}&pvs=4"]
)
@pytest.mark.parametrize("job", ["notion_sync", "notion_full_sync"])
def test_renamed_database_keeps_its_settings(workspace: Workspace, pipeline: Pipeline, key: str, job: str) -> None:
    people = people_in(workspace)
    key = key.format(id=people.id.upper(), hex=people.id.replace("-", ""), view="2" * 32)
    configure(
        pipeline,
        "streams:",
        f'  "{key}": {{table: humans, sync_type: FULL_TABLE, exclude_properties: [Salary], owners: ["team:hr"]}}',
    )
    synced(pipeline)
    workspace.rename_database(people, "Team")
    later(workspace, hours=1)
    run = synced(pipeline, job)
    assert ("as it is called in Notion now" in run.log) == (key.lower() == "people")
    assert "matches no database" not in run.log
    assert columns(pipeline, "humans") == ["name", "grade"]
    assert SECRET not in everything(pipeline)
    assert pipeline.query("SELECT title, sync_type FROM notion.databases") == [("Team", "FULL_TABLE")]
    assert pipeline.value("SELECT count(*) FROM _notion_pipeline.streams WHERE table_name = 'humans'") == 1


def test_owners_in_dagster_stay_with_a_renamed_database(workspace: Workspace, pipeline: Pipeline) -> None:
    people = people_in(workspace)
    configure(pipeline, "streams:", '  "People": {owners: ["team:hr"]}')
    synced(pipeline)
    workspace.rename_database(people, "Team")
    synced(pipeline)
    specs = build_definitions(pipeline.project).resolve_all_asset_specs()
    assert {spec.key.path[-1]: list(spec.owners) for spec in specs}["people"] == ["team:hr"]


def test_database_left_out_by_title_stays_out(workspace: Workspace, pipeline: Pipeline) -> None:
    configure(pipeline, 'deselect: ["People"]')
    people = people_in(workspace)
    tasks_in(workspace)
    synced(pipeline)
    workspace.rename_database(people, "Team")
    later(workspace, hours=1)
    run = synced(pipeline)
    assert "Team" in run.log
    second = people_in(workspace, "People")
    run = synced(pipeline)
    assert "is called so too, which is left out as well" in run.log
    workspace.rename_database(second, "Others")
    synced(pipeline)
    assert SECRET not in everything(pipeline)
    assert pipeline.query("SELECT title FROM notion.databases WHERE selected") == [("Tasks",)]


def test_selected_database_stays_selected_and_another_of_its_title_is_not(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    configure(pipeline, 'select: ["Tasks"]')
    tasks = tasks_in(workspace)
    people_in(workspace)
    synced(pipeline)
    workspace.rename_database(workspace.find_database(tasks.database.id), "Chores")
    synced(pipeline)
    other = tasks_in(workspace, title="Tasks")
    run = synced(pipeline)
    assert f"({other.database.id}) is called so too, which it does not mean" in run.log
    assert pipeline.query("SELECT title FROM notion.databases WHERE selected") == [("Chores",)]
    listed = Commands(pipeline.project).json("streams", "chores", "--json")
    assert [stream["selected"] for stream in listed] == [True]
    check = Commands(pipeline.project).run("check")
    assert 'means "Chores"' in check.output


def test_name_of_a_database_that_is_gone_goes_to_the_one_that_bears_it(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    configure(pipeline, 'select: ["Tasks"]')
    tasks = tasks_in(workspace)
    people_in(workspace)
    synced(pipeline)
    workspace.trash_database(tasks.database)
    tasks_in(workspace, 2)
    run = synced(pipeline)
    assert "what it meant before cannot be seen any more" in run.log
    assert pipeline.count("tasks_" + pipeline.value("SELECT id[:8] FROM notion.databases WHERE selected")) == 2


def test_key_of_a_typo_holds_back_what_has_the_property_that_it_excludes(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    configure(pipeline, "streams:", '  "Poeple": {exclude_properties: [Salary]}')
    people = people_in(workspace)
    tasks_in(workspace)
    run = pipeline.sync()
    assert not run.success
    assert 'streams "Poeple"' in run.log
    assert 'nearest is "People"' in run.log
    assert pipeline.count("tasks") == 5
    assert SECRET not in everything(pipeline)
    assert Commands(pipeline.project).run("check").exit_code == 1
    # As the message says:
    configure(pipeline, "streams:", '  "Poeple": {exclude_properties: [Salary]}', f'  "{people.id}": {{}}')
    synced(pipeline)
    assert SECRET in everything(pipeline)


def test_another_database_of_the_title_is_held_back_where_it_has_what_is_excluded(
    workspace: Workspace, pipeline: Pipeline
) -> None:
    configure(pipeline, "streams:", '  "People": {exclude_properties: [Salary]}')
    people = people_in(workspace)
    synced(pipeline)
    workspace.rename_database(people, "People 2025")
    people_in(workspace)
    run = pipeline.sync()
    assert not run.success
    assert "1 of 2 databases of source notion failed" in run.log
    assert SECRET not in everything(pipeline)


def test_typo_in_deselect_holds_back_what_it_is_nearly(workspace: Workspace, pipeline: Pipeline) -> None:
    configure(pipeline, 'deselect: ["Poeple", "Plan 2024"]')
    people_in(workspace)
    tasks_in(workspace, title="Plan 2025")
    run = pipeline.sync()
    assert not run.success
    assert 'deselect "Poeple"' in run.log
    assert pipeline.count("plan_2025") == 5
    assert SECRET not in everything(pipeline)


def test_catalog_of_an_earlier_version_learns_its_names_by_itself(workspace: Workspace, pipeline: Pipeline) -> None:
    configure(
        pipeline,
        'select: ["Boys and girls", "Tasks"]',
        "streams:",
        '  "Boys and girls": {exclude_properties: [Salary], table: humans}',
    )
    people = people_in(workspace, "Boys and girls")
    tasks_in(workspace)
    synced(pipeline)
    with catalogs.changing(pipeline.project.root) as connection:
        connection.execute("DROP TABLE _notion_pipeline.resolved")
    workspace.rename_database(people, "Team")
    later(workspace, hours=1)
    run = synced(pipeline)
    assert 'means "Team"' in run.log
    assert pipeline.value("SELECT count(*) FROM notion.databases WHERE selected") == 2
    assert SECRET not in everything(pipeline)
