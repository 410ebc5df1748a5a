"""Plans the keys of a run that was launched without one, so that each that fails shows as failed.

`report_dagster_event` and the data class of the event are not public; both were tried on the Dagster line that
pyproject.toml allows.
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent, DagsterEventType


def plan_materializations(context: dg.AssetExecutionContext, keys: Sequence[str]) -> None:
    run_id = context.run.run_id
    for key in keys:
        event = DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
            job_name=context.job_name,
            message=f"{run_id} intends to materialize partition {key} of asset {context.asset_key.to_string()}",
            event_specific_data=AssetMaterializationPlannedData(context.asset_key, partition=key),
            step_key=context.op_execution_context.get_step_execution_context().step.key,
        )
        context.instance.report_dagster_event(event, run_id=run_id)
