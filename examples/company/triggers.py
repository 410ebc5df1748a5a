"""A source that is synced after something else: when the asset `crm_export` was materialized.

An asset sensor and not an automation condition on `notion/database`: a condition asks for partitions one by one, each a
run of its own, while the job lists the databases first and syncs all of them in one.
"""

from collections.abc import Iterator

import dagster as dg


@dg.asset(group_name="company")
def crm_export() -> None:
    """Stands for whatever writes into Notion before it is read."""


@dg.asset_sensor(
    asset_key=crm_export.key,
    job_name="notion_sync",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def notion_after_crm_export(
    context: dg.SensorEvaluationContext, asset_event: dg.EventLogEntry
) -> Iterator[dg.RunRequest]:
    yield dg.RunRequest(run_key=context.cursor)
