"""Tables for downstream assets, in the form that their inputs ask for."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from notion_pipeline.defs.build import build_definitions
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline_tests.support.dagster_runs import CONTENT, LISTING, Runs

PARTITIONS = dg.DynamicPartitionsDefinition(name="notion_databases")


@pytest.fixture
def databases(workspace: Workspace, runs: Runs) -> list[Database]:
    """Two that are synced: A with a number and a list, B with two data sources."""
    first = workspace.add_database(
        "A", {"Name": "title", "Effort": "number", "Tags": {"type": "multi_select", "options": ["x"]}, "Due": "date"}
    )
    first.data_source.add_page({"Name": "a", "Effort": 2, "Tags": ["x"], "Due": "2026-07-01"}, icon="🧵")
    second = workspace.add_database("B", {"Name": "title"})
    second.data_source.add_page({"Name": "b"})
    second.add_data_source("More", {"Name": "title"}).add_page({"Name": "more"})
    assert runs.job().success
    return [first, second]


def loaded(
    runs: Runs,
    kind: Any,
    *,
    partition: str | None = None,
    metadata: dict[str, Any] | None = None,
    of: dg.AssetKey = CONTENT,
) -> Any:
    """What a downstream asset gets whose input has this annotation."""
    found = []

    def downstream(upstream):  # type: ignore[no-untyped-def]
        found.append(upstream)

    downstream.__annotations__ = {} if kind is None else {"upstream": kind}
    below = dg.asset(
        ins={"upstream": dg.AssetIn(key=of, metadata=metadata)},
        partitions_def=PARTITIONS if partition else None,
        name="below",
    )(downstream)
    definitions = dg.Definitions.merge(build_definitions(runs.project), dg.Definitions(assets=[below]))
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey("below")})
    result = job.execute_in_process(instance=runs.instance, partition_key=partition, raise_on_error=False)
    return found[0] if result.success else runs.failure(result.run_id)


@pytest.mark.parametrize("kind", [None, pa.Table])
def test_partition_is_an_arrow_table(runs: Runs, databases: list[Database], kind: Any) -> None:
    table = loaded(runs, kind, partition="a")
    assert isinstance(table, pa.Table)
    (row,) = table.to_pylist()
    assert (row["name"], row["effort"], row["tags"], row["due"]["is_datetime"]) == ("a", 2.0, ["x"], False)


def test_partition_is_a_polars_frame(runs: Runs, databases: list[Database]) -> None:
    frame = loaded(runs, pl.DataFrame, partition="a")
    assert isinstance(frame, pl.DataFrame)
    assert frame.select("name", "effort", "tags").rows() == [("a", 2.0, ["x"])]
    assert frame.schema["created_time"] == pl.Datetime("us", "UTC")
    assert frame["icon"][0] == '{"emoji":"🧵","type":"emoji"}'


def test_partition_is_a_pandas_frame(runs: Runs, databases: list[Database]) -> None:
    frame = loaded(runs, pd.DataFrame, partition="a")
    assert isinstance(frame, pd.DataFrame)
    assert (frame["name"][0], frame["effort"][0], list(frame["tags"][0])) == ("a", 2.0, ["x"])


def test_several_data_sources_come_as_one_table_with_their_names(runs: Runs, databases: list[Database]) -> None:
    table = loaded(runs, pa.Table, partition="b")
    found = {(row["_table"], row["name"]) for row in table.to_pylist()}
    assert found == {("b", "b"), ("b__more", "more")}


def test_input_metadata_picks_one_table(runs: Runs, databases: list[Database]) -> None:
    table = loaded(runs, pa.Table, partition="b", metadata={"table": "b__more"})
    assert table.column("name").to_pylist() == ["more"]
    assert "_table" not in table.column_names


def test_all_partitions_come_as_one_table(runs: Runs, databases: list[Database]) -> None:
    table = loaded(runs, pa.Table)
    assert sorted(table.column("_table").to_pylist()) == ["a", "b", "b__more"]


@pytest.mark.parametrize(
    ("kind", "held"),
    [(dict, pa.Table), (dict[str, pa.Table], pa.Table), (dict[str, pl.DataFrame], pl.DataFrame)],
)
def test_all_partitions_come_as_a_dict_by_key(runs: Runs, databases: list[Database], kind: Any, held: type) -> None:
    found = loaded(runs, kind)
    assert found.keys() == {"a", "b"}
    assert all(isinstance(table, held) for table in found.values())


def test_listing_is_a_table_too(runs: Runs, databases: list[Database]) -> None:
    frame = loaded(runs, pl.DataFrame, of=LISTING)
    assert sorted(frame["title"]) == ["A", "B"]


def test_partition_without_a_table_is_named_with_what_to_do(
    runs: Runs, databases: list[Database], workspace: Workspace
) -> None:
    workspace.add_database("C", {"Name": "title"})
    runs.assets(LISTING)
    assert loaded(runs, pa.Table, partition="c") == (
        'Database "c" of source notion has no table in the catalog yet. '
        "Materialize its partition of notion/database first."
    )


def test_unknown_table_in_input_metadata_is_named(runs: Runs, databases: list[Database]) -> None:
    found = loaded(runs, pa.Table, partition="a", metadata={"table": "z"})
    assert found.startswith("There is no such table of source notion in the catalog.")
