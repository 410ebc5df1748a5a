"""`NotionSourceComponent` in a project of somebody else's."""

from __future__ import annotations

import datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from dagster import DagsterEventType

from notion_pipeline import NotionSourceComponent
from notion_pipeline.component.attributes import SourceAttributes
from notion_pipeline.config.sources import Source, Sources
from notion_pipeline.errors import ConfigError
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.component.conftest import Host
from notion_pipeline_tests.support.dagster_runs import refuse

THREE = {"databases", "database", "sync"}


def assets(source: str, *tables: str) -> set[str]:
    return {f"{source}/{name}" for name in (*THREE, *tables)}


@pytest.fixture
def company(workspace: Workspace) -> Workspace:
    for title in ("Tasks", "Deals"):
        workspace.add_database(title, {"Name": "title"}).data_source.add_page({"Name": "Row"})
    return workspace


def test_it_loads_without_a_state_and_knows_no_table(host: Host, company: Workspace) -> None:
    host.component("crm")
    assert host.keys() == assets("crm")


def test_a_refresh_of_the_state_names_the_tables(host: Host, company: Workspace) -> None:
    host.component("crm", select=["Tasks"])
    host.refresh("crm")
    assert host.keys() == assets("crm", "tasks")
    assert not (host.root / "catalog.duckdb").exists()
    host.component("crm")
    host.refresh("crm")
    assert host.keys() == assets("crm", "tasks", "deals")


def test_tables_that_a_sync_made_appear_and_an_older_state_adds_none(host: Host, company: Workspace) -> None:
    host.component("crm")
    host.refresh("crm")
    host.component("crm", select=["Tasks"])
    assert host.run("crm_sync").success
    assert host.keys() == assets("crm", "tasks")


def test_versioned_storage_keeps_the_state(host: Host, company: Workspace) -> None:
    host.component("crm", defs_state={"management_type": "VERSIONED_STATE_STORAGE"})
    assert host.keys() == assets("crm")
    host.refresh("crm")
    assert host.keys() == assets("crm", "tasks", "deals")
    assert not list(host.root.rglob("state"))


def test_two_instances_do_not_meet(host: Host, company: Workspace) -> None:
    host.component("crm", select=["Deals"])
    host.component("wiki", select=["Tasks"])
    for name, table in (("crm", "deals"), ("wiki", "tasks")):
        result = host.run(f"{name}_sync")
        assert result.success
        found = {event.asset_key.to_user_string() for event in events(host, result, "ASSET_MATERIALIZATION")}
        assert found == assets(name, table)
    assert host.keys() == assets("crm", "deals") | assets("wiki", "tasks")


def test_events_name_the_translated_keys(host: Host, company: Workspace) -> None:
    translation = {
        "key": "raw/{{ source }}/{{ title | replace('a', 'A') if title else table }}",
        "group_name": "raw",
        "tags": {"table": "{{ data.table }}"},
        "owners": ["team:sales"],
        "description": "{{ spec.key.to_user_string() }}",
    }
    host.component("crm", translation=translation)
    result = host.run("crm_sync")
    assert result.success
    with host.loaded() as defs:
        graph = defs.resolve_asset_graph()
        expected = {f"raw/crm/{name}" for name in (*THREE, "TAsks", "DeAls")}
        assert {key.to_user_string() for key in graph.get_all_asset_keys()} == expected
        node = graph.get(dg.AssetKey(["raw", "crm", "TAsks"]))
        assert (node.group_name, node.owners, node.tags["table"]) == ("raw", ["team:sales"], "tasks")
        assert node.description == "crm/tasks"
        assert node.parent_keys == {dg.AssetKey(["raw", "crm", "databases"])}
    materialized = {event.asset_key.to_user_string() for event in events(host, result, "ASSET_MATERIALIZATION")}
    assert materialized == expected
    checks = events(host, result, "ASSET_CHECK_EVALUATION")
    checked = {event.asset_check_evaluation_data.asset_key.to_user_string() for event in checks}
    assert checked == {"raw/crm/TAsks", "raw/crm/DeAls"}


def test_a_database_that_fails_is_red_under_its_translated_key(host: Host, company: Workspace) -> None:
    host.component("crm", translation={"key_prefix": "raw"})
    host.refresh("crm")
    (tasks,) = (database for database in company.databases.values() if database.title == "Tasks")
    refuse(company, tasks)
    result = host.run("crm_sync")
    assert not result.success
    planned = {event.asset_key.to_user_string() for event in events(host, result, "ASSET_MATERIALIZATION_PLANNED")}
    assert "raw/crm/tasks" in planned
    assert not {key for key in planned if not key.startswith("raw/")}
    materialized = {event.asset_key.to_user_string() for event in events(host, result, "ASSET_MATERIALIZATION")}
    assert "raw/crm/deals" in materialized
    assert "raw/crm/tasks" not in materialized


def events(host: Host, result: dg.ExecuteInProcessResult, kind: str) -> list[dg.DagsterEvent]:
    records = host.instance.get_records_for_run(result.run_id, of_type=DagsterEventType(kind)).records
    found = [record.event_log_entry.dagster_event for record in records]
    return [event for event in found if event is not None]


def test_downstream_assets_load_tables_of_translated_keys(host: Host, company: Workspace) -> None:
    host.component("crm", translation={"key": "{{ source }}_{{ table }}"})
    assert host.run("crm_sync").success

    @dg.asset(ins={"tasks": dg.AssetIn("crm_tasks"), "listing": dg.AssetIn("crm_databases")})
    def report(tasks: pa.Table, listing: pa.Table) -> None:
        assert tasks.column("name").to_pylist() == ["Row"]
        assert sorted(listing.column("title").to_pylist()) == ["Deals", "Tasks"]

    with host.loaded() as defs:
        merged = dg.Definitions.merge(defs, dg.Definitions(assets=[report]))
        job = merged.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey("report")})
        assert job.execute_in_process(instance=host.instance).success


def test_post_processing_changes_the_assets(host: Host, company: Workspace) -> None:
    host.component(
        "crm", {"assets": [{"target": "key:crm/tasks", "attributes": {"group_name": "mine", "tags": {"pii": "yes"}}}]}
    )
    host.refresh("crm")
    assert host.run("crm_sync").success
    with host.loaded() as defs:
        graph = defs.resolve_asset_graph()
        assert graph.get(dg.AssetKey(["crm", "tasks"])).group_name == "mine"
        assert graph.get(dg.AssetKey(["crm", "tasks"])).tags["pii"] == "yes"
        assert graph.get(dg.AssetKey(["crm", "deals"])).group_name == "crm_tables"


def test_a_key_that_is_none_is_answered_with_the_nearest(host: Host) -> None:
    host.component("crm", selekt=["Tasks"])
    assert 'defs/crm/defs.yaml: selekt: unknown key, nearest is "select".' in failure(host)


def test_a_token_in_the_file_is_refused_and_not_shown(host: Host) -> None:
    host.component("crm", account={"type": "token", "token": "ntn_secret123456"})
    message = failure(host)
    assert "defs/crm/defs.yaml: account.token: a token does not belong in this file" in message
    assert "ntn_secret" not in message


def failure(host: Host) -> str:
    with pytest.raises(Exception) as raised, host.loaded():
        pass
    error: BaseException | None = raised.value
    while error is not None and not isinstance(error, ConfigError):
        error = error.__cause__ or error.__context__
    return str(error)


@pytest.mark.parametrize("token", ["{{ env.CRM_TOKEN }}", "{{ env('CRM_TOKEN') }}", "{{ env('CRM_TOKEN') ~ '' }}"])
def test_a_token_may_be_a_template(token: str, host: Host, company: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTION_TOKEN")
    monkeypatch.setenv("CRM_TOKEN", company.token.value)
    host.component("crm", account={"type": "token", "token": token})
    assert host.run("crm_sync").success


def test_the_hosts_own_duckdb_resource_and_secret_are_used(host: Host, company: Workspace) -> None:
    path = host.component("crm", catalog="{{ warehouse }}", account={"type": "token", "token": "{{ notion_token }}"})
    (path / "template_vars.py").write_text(
        "import dagster as dg\n"
        "from dagster_duckdb import DuckDBResource\n\n"
        "@dg.template_var\n"
        "def warehouse():\n"
        f"    return DuckDBResource(database={str(host.root / 'own.duckdb')!r}, connection_config={{'threads': 1}})\n\n"
        "@dg.template_var\n"
        "def notion_token():\n"
        "    return dg.EnvVar('NOTION_TOKEN')\n"
    )
    host.component("crm", catalog="{{ warehouse }}", account={"type": "token", "token": "{{ notion_token }}"})
    assert host.run("crm_sync").success
    assert (host.root / "own.duckdb").exists()
    with host.loaded() as defs:
        assert defs.resources is not None
        assert defs.resources["crm_catalog"].connection_config == {"threads": 1}


def test_text_that_is_no_template_stays_text(host: Host, workspace: Workspace) -> None:
    workspace.add_database("2026", {"Name": "title"})
    host.component("crm", select=["2026"], start_date=datetime.date(2020, 1, 1), description="[1, 2]")
    host.refresh("crm")
    assert host.keys() == assets("crm", "_2026")


def test_dev_loads_where_notion_does_not_answer(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    monkeypatch.delenv("NOTION_TOKEN")
    host.component("crm")
    assert host.keys() == assets("crm")
    assert "The tables of source crm could not be asked for" in caplog.text


def test_dev_asks_for_the_tables(host: Host, company: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    host.component("crm")
    assert host.keys() == assets("crm", "tasks", "deals")


def test_the_schema_has_every_key_of_a_source() -> None:
    schema = SourceAttributes.model_json_schema()
    shared = {key for key in Sources.model_fields if key != "sources"}
    assert set(schema["properties"]) == {*Source.model_fields, *shared, "home", "translation", "defs_state"}
    assert schema["required"] == ["account"]
    assert schema["additionalProperties"] is False


def test_what_is_scaffolded_loads(host: Host) -> None:
    path = host.sandbox.scaffold_component(NotionSourceComponent, defs_path=Path("crm"))
    assert "env: NOTION_TOKEN" in (path / "defs.yaml").read_text(encoding="utf-8")
    assert host.keys() == assets("crm")


def test_a_subclass_says_in_python_what_assets_look_like(host: Host) -> None:
    (host.sandbox.defs_folder_path / "mine.py").write_text(
        "from notion_pipeline import NotionSourceComponent\n\n"
        "class Mine(NotionSourceComponent):\n"
        "    def get_asset_spec(self, spec, data):\n"
        "        return spec.replace_attributes(key=[*spec.key.path, 'mine'])\n"
    )
    path = host.component("crm")
    text = (path / "defs.yaml").read_text(encoding="utf-8")
    module = f"{host.sandbox.project_name}.defs.mine.Mine"
    (path / "defs.yaml").write_text(text.replace("notion_pipeline.NotionSourceComponent", module), encoding="utf-8")
    assert host.keys() == {f"{key}/mine" for key in assets("crm")}


def test_content_stands_beside_tables_with_its_job_schedule_and_translated_keys(host: Host, company: Workspace) -> None:
    content = {"pages": False, "comments": True, "schedule": "0 3 * * *"}
    translation = {"key": "raw/{{ source }}/{{ table }}", "group_name": "words"}
    host.component("crm", content=content, translation=translation)
    assert host.run("crm_sync").success
    result = host.run("crm_content")
    assert result.success
    names = ("content", "page_content", "users", "comments")
    expected = {dg.AssetKey(["raw", "crm", name]) for name in names}
    with host.loaded() as defs:
        graph = defs.resolve_asset_graph()
        assert expected <= graph.get_all_asset_keys()
        assert {graph.get(key).group_name for key in expected} == {"words"}
        assert {key.asset_key for key in graph.asset_check_keys if key.name == "complete"} == {
            dg.AssetKey(["raw", "crm", "page_content"])
        }
        assert defs.resolve_schedule_def("crm_content_schedule").cron_schedule == "0 3 * * *"
    found = {event.asset_key for event in events(host, result, "ASSET_MATERIALIZATION")}
    assert found == expected
