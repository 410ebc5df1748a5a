"""Two sources in one code location, each with its own account: what is the same in both never meets.

Both see a database called Tasks, each its own, and one database is shared with both connections.
"""

from __future__ import annotations

import dagster as dg
import pytest

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.defs.resources import NotionResource
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.dagster_runs import refuse
from notion_pipeline_tests.support.whole_way import Pipeline, later

pytestmark = pytest.mark.slow


SOURCES = """
sources:
  - name: sales
    account: {type: token, token: {env: NOTION_TOKEN}}
    schedule: "0 6 * * *"
    timezone: Europe/Paris
    watch: true
  - name: support
    account: {type: token, token: {env: SUPPORT_TOKEN}}
    table_prefix: s_
    full_sync_schedule: "0 3 * * 0"
"""


@pytest.fixture
def databases(workspace: Workspace, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> dict[str, Database]:
    """By what they are for; the account of support sees two of the three."""
    found = {}
    for name, title in (("sales", "Tasks"), ("support", "Tasks"), ("both", "Customers")):
        found[name] = workspace.add_database(title, {"Name": "title"})
        found[name].data_source.add_page({"Name": name})
    workspace.tokens[workspace.token.value].databases = {found["sales"].id, found["both"].id}
    workspace.add_token("ntn_support_token", [found["support"], found["both"]])
    monkeypatch.setenv("SUPPORT_TOKEN", "ntn_support_token")
    pipeline.configure(SOURCES)
    return found


def keys(pipeline: Pipeline, source: str) -> set[str]:
    return pipeline.partitioned(source)


def test_each_has_its_own_names_in_dagster(databases: dict[str, Database], project: Project) -> None:
    definitions = build_definitions(project)
    assets = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert assets == {
        f"{source}/{name}" for source in ("sales", "support") for name in ("database", "databases", "sync")
    }
    assert {schedule.name for schedule in definitions.schedules or []} - {"lake_maintenance_schedule"} == {
        *("sales_schedule", "support_full_sync_schedule")
    }
    sensors = {sensor.name: sensor.default_status for sensor in definitions.sensors or []}
    assert sensors == {
        "sales_changes": dg.DefaultSensorStatus.RUNNING,
        "support_changes": dg.DefaultSensorStatus.STOPPED,
    }


def test_each_reads_its_own_account_into_its_own_schema(databases: dict[str, Database], pipeline: Pipeline) -> None:
    for job in ("sales_sync", "support_sync"):
        assert pipeline.sync(job).success
    assert pipeline.query("SELECT name FROM sales.tasks") == [("sales",)]
    assert pipeline.query("SELECT name FROM support.s_tasks") == [("support",)]
    assert pipeline.query("SELECT name FROM sales.customers") == pipeline.query("SELECT name FROM support.s_customers")
    tables = pipeline.query(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE schema_name[1] != '_' ORDER BY 1"
    )
    assert [name for (name,) in tables] == [
        *("sales.customers", "sales.databases", "sales.tasks"),
        *("support.databases", "support.s_customers", "support.s_tasks"),
    ]
    assert keys(pipeline, "sales") == {databases["sales"].id, databases["both"].id}
    assert keys(pipeline, "support") == {databases["support"].id, databases["both"].id}
    # The shared database has a bookmark in each, and a second sync of either reads what was edited since its own.
    assert pipeline.value("SELECT count(*) FROM _notion_pipeline.streams") == 4
    for source in ("sales", "support"):
        again = pipeline.sync(f"{source}_sync")
        assert again.success
        assert "1 inserted" not in again.log


def test_what_one_does_leaves_the_other_alone(
    databases: dict[str, Database], pipeline: Pipeline, workspace: Workspace
) -> None:
    for job in ("sales_sync", "support_sync"):
        pipeline.sync(job)
    shared = databases["both"]
    before = pipeline.query("SELECT * FROM _notion_pipeline.streams WHERE source = 'support' ORDER BY data_source_id")
    # Gone from one account only: retired there, with its table kept, and still synced by the other.
    workspace.unshare(shared, workspace.token.value)
    assert pipeline.sync("sales_sync").success
    assert keys(pipeline, "sales") == {databases["sales"].id}
    assert keys(pipeline, "support") == {databases["support"].id, shared.id}
    assert pipeline.count("customers", "sales") == 1
    assert pipeline.value("SELECT accessible FROM support.databases WHERE id = ?", [shared.id])
    assert before == pipeline.query(
        "SELECT * FROM _notion_pipeline.streams WHERE source = 'support' ORDER BY data_source_id"
    )
    shared.data_source.add_page({"Name": "two"})
    assert pipeline.sync("support_sync").success
    assert (pipeline.count("customers", "sales"), pipeline.count("s_customers", "support")) == (1, 2)


def test_failure_of_one_account_stops_no_other(
    databases: dict[str, Database], pipeline: Pipeline, workspace: Workspace
) -> None:
    workspace.revoke_token("ntn_support_token")
    refuse(workspace, databases["sales"])
    assert not pipeline.sync("support_sync").success
    assert not pipeline.sync("sales_sync").success
    assert pipeline.count("customers", "sales") == 1
    workspace.faults.clear()
    assert pipeline.sync("sales_sync").success


def test_sensor_of_one_asks_for_databases_of_its_account_alone(
    databases: dict[str, Database], pipeline: Pipeline, project: Project, workspace: Workspace
) -> None:
    later(workspace, hours=1)  # edits of the minute of a poll are asked for until a sync has begun after it
    for job in ("sales_sync", "support_sync"):
        pipeline.sync(job)
    definitions = build_definitions(project)
    cursors: dict[str, str | None] = {"sales": None, "support": None}

    def due(source: str) -> list[str]:
        context = dg.build_sensor_context(
            instance=pipeline.instance,
            cursor=cursors[source],
            definitions=definitions,
            resources={f"{source}_notion": NotionResource(root=str(project.root))},
        )
        result = definitions.resolve_sensor_def(f"{source}_changes").evaluate_tick(context)
        cursors[source] = result.cursor
        configs = [request.run_config for request in result.run_requests or []]
        return [key for config in configs for key in _asked(config, source)]

    for source in cursors:
        due(source)
        due(source)
    databases["support"].data_source.add_page({"Name": "new"})
    assert due("sales") == []
    assert due("support") == [databases["support"].id]


def _asked(config: object, source: str) -> list[str]:
    assert isinstance(config, dict)
    return list(config["ops"][f"{source}__database"]["config"]["databases"]) if config else []


def test_changed_table_name_and_sync_type_take_effect_and_deselected_table_stays(
    databases: dict[str, Database], pipeline: Pipeline, workspace: Workspace
) -> None:
    pipeline.sync("sales_sync")
    tasks = databases["sales"]
    first = pipeline.query("SELECT id, _synced_at FROM sales.tasks")
    pipeline.configure(SOURCES.replace("    watch: true", f"    streams: {{{tasks.id}: {{table: jobs}}}}"))
    assert pipeline.sync("sales_sync").success
    assert pipeline.query("SELECT id, _synced_at FROM sales.jobs") == first, "renamed, not read anew"
    assert not pipeline.query("SELECT 1 FROM duckdb_tables() WHERE schema_name = 'sales' AND table_name = 'tasks'")

    workspace.trash(tasks.data_source.pages[0])
    pipeline.sync("sales_sync")
    assert pipeline.count("jobs", "sales") == 1, "incremental syncs take nothing out"
    settings = f"    streams: {{{tasks.id}: {{table: jobs, sync_type: FULL_TABLE}}}}"
    pipeline.configure(SOURCES.replace("    watch: true", settings))
    pipeline.sync("sales_sync")
    assert pipeline.count("jobs", "sales") == 0
    assert pipeline.last_sync()["source"] == "sales"
    assert pipeline.value("SELECT sync_type FROM sales.databases WHERE id = ?", [tasks.id]) == "FULL_TABLE"

    pipeline.configure(SOURCES.replace("    watch: true", f"    deselect: [{tasks.id}, Nowhere]\n" + settings))
    run = pipeline.sync("sales_sync")
    assert run.success
    assert 'deselect "Nowhere" matches no database' in run.log
    assert keys(pipeline, "sales") == {databases["both"].id}
    assert pipeline.count("jobs", "sales") == 0, "the table stays"
    assert not pipeline.value("SELECT selected FROM sales.databases WHERE id = ?", [tasks.id])


@pytest.mark.parametrize("entry", ["Customers", "Cust*", "id", "stream name"])
def test_selection_by_title_glob_id_and_stream_name(
    databases: dict[str, Database], pipeline: Pipeline, entry: str
) -> None:
    shared = databases["both"].id
    chosen = {"id": shared, "stream name": f"database_{shared}"}.get(entry, entry)
    pipeline.configure(SOURCES.replace("    watch: true", f'    select: ["{chosen}"]'))
    assert pipeline.sync("sales_sync").success
    assert keys(pipeline, "sales") == {shared}
