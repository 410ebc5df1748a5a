"""Assets that follow Notion databases. The ids are those of the sample workspace; put yours in their place.

Both follow one partition of `notion/database` alone, by SpecificPartitionsPartitionMapping: without it they would run
after every database. Dagster starts them by their automation condition, which also waits for a sync that is at work
and runs once for several changes; an asset sensor would do neither.
"""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from notion_pipeline import CatalogResource

DATABASE = dg.AssetKey(["notion", "database"])
DEALS = "90b173ef-49a7-5125-a13e-4e03b0c3f688"
TASKS = "f5b58285-d80d-5375-afba-ac5bb3cc007a"


def only(database_id: str) -> dg.SpecificPartitionsPartitionMapping:
    return dg.SpecificPartitionsPartitionMapping([database_id])


@dg.asset(
    deps=[dg.AssetDep(DATABASE, partition_mapping=only(DEALS))],
    automation_condition=dg.AutomationCondition.eager(),
    group_name="company",
)
def deals_count(catalog: CatalogResource) -> dg.MaterializeResult:
    """Runs when Deals was synced, and asks the catalog what it wants by SQL."""
    with catalog.read() as connection:
        deals = connection.execute("SELECT count(*) FROM notion.deals").fetchall()[0][0]
    return dg.MaterializeResult(metadata={"deals": int(deals)})


@dg.asset(
    ins={"tasks": dg.AssetIn(DATABASE, partition_mapping=only(TASKS))},
    automation_condition=dg.AutomationCondition.eager(),
    group_name="company",
)
def tasks_by_status(tasks: pa.Table) -> dg.MaterializeResult:
    """Runs when Tasks was synced, and is handed its table; annotated polars or pandas, it comes as such."""
    counts = pc.value_counts(tasks["status"]).to_pylist()
    return dg.MaterializeResult(metadata={str(entry["values"]): int(entry["counts"]) for entry in counts})
