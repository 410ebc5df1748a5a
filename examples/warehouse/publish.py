"""Assets that publish the tables of a source, incrementally, through dlt and its Dagster integration.

A load sends the rows whose `_synced_at` is later than the last load's, and the ids that are gone. dlt keeps the
bookmark in the warehouse itself. A table whose columns changed is loaded anew as a whole.
"""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg
import dlt
from dagster_dlt import DagsterDltResource, DagsterDltTranslator, dlt_assets
from dagster_dlt.translator import DltResourceTranslatorData
from dlt.extract import DltSource

from examples.warehouse.tables import GONE, columns_of, resource_of
from notion_pipeline import CatalogResource

#: The source in sources.yaml, which is the schema in the catalog.
SOURCE = "notion"


class WarehouseTranslator(DagsterDltTranslator):
    """`warehouse/deals` follows `notion/deals`: it is published when that was synced."""

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        table = data.resource.name
        spec = super().get_asset_spec(data)
        return spec.replace_attributes(
            key=["warehouse", table],
            deps=[dg.AssetKey([SOURCE, table])],
            group_name="warehouse",
            automation_condition=dg.AutomationCondition.eager(),
            # A listing names a table before a sync makes it.
            skippable=True,
        )


def pipeline() -> dlt.Pipeline:
    """The pipeline, which reads the address of the warehouse when it runs, from DESTINATION__POSTGRES__CREDENTIALS."""
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    return dlt.pipeline(
        "notion_warehouse",
        # Names stay as they are in the catalog.
        destination=dlt.destination(os.environ.get("WAREHOUSE_DESTINATION", "postgres"), naming_convention="sql_cs_v1"),
        dataset_name=os.environ.get("WAREHOUSE_SCHEMA", SOURCE),
        pipelines_dir=os.environ.get("WAREHOUSE_WORK", ".dlt/pipelines"),
    )


def warehouse(notion: dg.Definitions) -> dg.Definitions:
    """An asset for each table that the source's definitions name; a listing brings new ones."""
    specs = notion.resolve_all_asset_specs()
    names = sorted(spec.key.path[-1] for spec in specs if spec.group_name == f"{SOURCE}_tables")
    if not names:
        return dg.Definitions()

    def nothing() -> Iterator[dict[str, Any]]:
        """Only the names of tables are known here; rows and columns are read in the run."""
        yield from ()

    declared = _source([dlt.resource(nothing, name=name) for name in names])

    @dlt_assets(
        dlt_source=declared, dlt_pipeline=pipeline(), name="warehouse", dagster_dlt_translator=WarehouseTranslator()
    )
    def published(
        context: dg.AssetExecutionContext, dlt_loader: DagsterDltResource, notion_catalog: CatalogResource
    ) -> Iterator[Any]:
        wanted = [key.path[-1] for key in context.selected_asset_keys]
        with notion_catalog.read() as connection:
            columns = {name: columns_of(connection, SOURCE, name) for name in sorted(wanted)}
        loader = pipeline()
        known = published_columns(loader)
        changed, same = [], []
        for name, found in columns.items():
            if not found:
                context.log.info(f"{name} was not synced yet.")
            elif known.get(name, found) != found:
                context.log.info(f"The columns of {name} changed: it is loaded anew.")
                changed.append(resource_of(notion_catalog, SOURCE, name, found))
            else:
                ids = published_ids(loader, name) if name in known else ()
                same.append(resource_of(notion_catalog, SOURCE, name, found, ids))
        if same:
            yield from dlt_loader.run(context=context, dlt_source=_source(same), dlt_pipeline=loader)
        if changed:
            yield from dlt_loader.run(
                context=context, dlt_source=_source(changed), dlt_pipeline=loader, refresh="drop_resources"
            )

    return dg.Definitions(assets=[published], resources={"dlt_loader": DagsterDltResource()})


def published_columns(loader: dlt.Pipeline) -> dict[str, dict[str, str]]:
    """The tables that the warehouse has, each with its columns and their types as dlt made them."""
    loader.sync_destination()
    if not loader.default_schema_name:
        return {}
    tables = loader.default_schema.data_tables(seen_data_only=True)
    return {
        table["name"]: {
            name: str(column.get("data_type"))
            for name, column in table["columns"].items()
            if name != GONE and not name.startswith("_dlt_")
        }
        for table in tables
    }


def published_ids(loader: dlt.Pipeline, table: str) -> list[str]:
    with loader.sql_client() as client:
        found = client.execute_sql(f"SELECT id FROM {client.make_qualified_table_name(table)}") or []
    return [str(row[0]) for row in found]


def _source(resources: list[Any]) -> DltSource:
    """The resources as one source, whose name is that of dlt's schema."""

    @dlt.source(name=SOURCE)
    def tables() -> list[Any]:
        return resources

    return tables()
