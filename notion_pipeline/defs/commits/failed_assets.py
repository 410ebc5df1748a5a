"""Shows databases that were not committed as failed: their partition, and each of their tables."""

from collections.abc import Collection

from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.dagster_internals import StepExecutionContext, plan_materializations
from notion_pipeline.defs.runs.run_targets import RunTargets


def show_failed(
    step: StepExecutionContext, asset_keys: AssetKeys, targets: RunTargets, *, committed: Collection[str]
) -> None:
    """To be called before the step fails. A plan for each database ahead would cost a large quiet sync its speed.

    Args:
        committed: Ids of the databases that have been materialized.
    """
    failed = [target.id for target in targets.databases if target.id not in committed]
    keys = [targets.partitions[key] for key in failed if key in targets.partitions]
    plan_materializations(step, asset_keys.database, keys)
    for table in (name for key in failed for name in targets.tables.get(key, ())):
        plan_materializations(step, asset_keys.key(table), [None])
