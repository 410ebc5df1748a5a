"""Assets that follow Notion databases, by the names of their tables; the tables are those of the sample workspace.

An asset may depend on `notion/deals` before any listing has named that table. One that is handed a table takes it from
its partition of `notion/database`, which has a definition from the first day on.

Dagster starts them by their automation condition, which also waits for a sync that is at work and runs once for several
changes; an asset sensor would do neither.
"""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from notion_pipeline import CatalogResource

DEALS = dg.AssetKey(["notion", "deals"])
TASKS = dg.SpecificPartitionsPartitionMapping(["tasks"])


@dg.asset(
    deps=[DEALS],
    automation_condition=dg.AutomationCondition.eager(),
    group_name="company",
)
def deals_count(notion_catalog: CatalogResource) -> dg.MaterializeResult:
    """Runs when Deals was synced, and asks the catalog what it wants by SQL."""
    with notion_catalog.read() as connection:
        deals = connection.execute("SELECT count(*) FROM notion.deals").fetchall()[0][0]
    return dg.MaterializeResult(metadata={"deals": int(deals)})


@dg.asset(
    ins={"tasks": dg.AssetIn(["notion", "database"], partition_mapping=TASKS)},
    automation_condition=dg.AutomationCondition.eager(),
    group_name="company",
)
def tasks_by_status(tasks: pa.Table) -> dg.MaterializeResult:
    """Runs when Tasks was synced, and is handed its table; annotated polars or pandas, it comes as such."""
    counts = pc.value_counts(tasks["status"]).to_pylist()
    return dg.MaterializeResult(metadata={str(entry["values"]): int(entry["counts"]) for entry in counts})
