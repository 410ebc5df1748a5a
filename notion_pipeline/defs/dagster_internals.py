"""Everything of Dagster's that is not public, with what it is for: an upgrade of Dagster breaks this file alone.

All of it was tried on the Dagster line that pyproject.toml allows.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Optional

import dagster as dg
from dagster import DagsterEvent, DagsterEventType, DagsterRun
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    INPUT_DATA_VERSION_TAG_PREFIX,
    INPUT_EVENT_POINTER_TAG_PREFIX,
    NULL_EVENT_POINTER,
)
from dagster._core.definitions.metadata import normalize_metadata
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.execution.context.system import StepExecutionContext
from dagster._core.instance import InstanceRef
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._utils.schedules import schedule_execution_time_iterator

__all__ = [
    "NO_COMPUTE_LOGS",
    "NO_MATERIALIZATION",
    "AssetCheckExecutionRecordStatus",  # filters the history of a check
    "BulkActionStatus",  # with BulkActionsFilter
    "BulkActionsFilter",  # finds the backfills that still work on a partition
    "InstanceRef",  # makes the instance of a project without DAGSTER_HOME
    "InstigatorStatus",  # whether a schedule or sensor was switched off in the UI
    "StepExecutionContext",  # names the type of a step, for events from within it
    "UnresolvedAssetJobDefinition",  # names the type that define_asset_job returns
    "data_version_tags",
    "normalize_metadata",  # turns plain values into the metadata of a check evaluation
    "plan_materializations",
    "provenance_tags",
    "reload_definitions",
    "report_check_evaluation",
    "schedule_execution_time_iterator",  # computes the ticks of a cron as Dagster's daemon does
    "step_of",
]

#: In a run without a partition the IO manager logs each key's materialization; with this, Dagster adds none for the
#: asset as a whole. If the key lost its effect, it would cost one event that names no partition.
NO_MATERIALIZATION = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
#: Settings of an instance that does not capture standard output.
NO_COMPUTE_LOGS = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
#: Where `workspace.production.yaml` finds the code server, below the project's folder, in which runs work.
PRODUCTION_SOCKET = Path(".dagster/code_server.sock")
#: A code location that takes longer goes on loading; the run does not wait for it.
RELOAD_SECONDS = 30


def step_of(context: dg.AssetExecutionContext) -> StepExecutionContext:
    """The step that an asset's body runs in."""
    return context.op_execution_context.get_step_execution_context()


def plan_materializations(
    step: StepExecutionContext,
    asset: dg.AssetKey,
    partitions: Sequence[Optional[str]],  # noqa: UP045
) -> None:
    """Plans what Dagster did not plan at launch. What is planned and not materialized in a failed run shows as failed.

    Args:
        partitions: Keys; None stands for an asset without partitions.
    """
    for partition in partitions:
        what = f"partition {partition} of asset" if partition is not None else "asset"
        event = DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
            job_name=step.job_name,
            message=f"{step.run_id} intends to materialize {what} {asset.to_string()}",
            event_specific_data=AssetMaterializationPlannedData(asset, partition=partition),
            step_key=step.step.key,
        )
        step.instance.report_dagster_event(event, run_id=step.run_id)


def provenance_tags(inputs: Mapping[dg.AssetKey, str]) -> dict[str, str]:
    """Tags of a materialization that say which data versions of its inputs it is from.

    Dagster writes them itself for what it logs. Without them it goes by time, and every new listing would show all
    tables as "unsynced".

    Args:
        inputs: Data version by asset.
    """
    tags = {CODE_VERSION_TAG: "1"}
    for key, version in inputs.items():
        tags[f"{INPUT_DATA_VERSION_TAG_PREFIX}/{key.to_user_string()}"] = version
        tags[f"{INPUT_EVENT_POINTER_TAG_PREFIX}/{key.to_user_string()}"] = NULL_EVENT_POINTER
    return tags


def data_version_tags(version: str) -> dict[str, str]:
    """Tags of a materialization that is logged as an event, as an output with this data version has them."""
    return {DATA_VERSION_TAG: version, DATA_VERSION_IS_USER_PROVIDED_TAG: "true"}


def report_check_evaluation(context: dg.OutputContext, evaluation: dg.AssetCheckEvaluation) -> None:
    """Reports the result of a check from within a step that is not the check's own."""
    # Making the event of a step also stores it.
    DagsterEvent.from_step(
        DagsterEventType.ASSET_CHECK_EVALUATION, context.step_context, evaluation, evaluation.check_name
    )


def reload_definitions(run: DagsterRun, log: Callable[[str], None]) -> None:
    """Has the code location load its definitions again, when a run brought tables that they do not know yet.

    It does what the button *Reload* does: the code server starts a fresh process beside the old one, which goes on
    until its runs have ended. The server that started the run is asked, once; for a run that none started, such as
    those of the command line, the one that serves the project in production. Where none can do so, new tables get
    their lineage and columns with the next reload.
    """
    origin = run.remote_job_origin
    location = origin.repository_origin.code_location_origin if origin is not None else None
    if not isinstance(location, GrpcServerCodeLocationOrigin):
        if not PRODUCTION_SOCKET.exists():
            return
        location = GrpcServerCodeLocationOrigin(host="localhost", socket=str(PRODUCTION_SOCKET))
    try:
        location.create_client().reload_code(timeout=RELOAD_SECONDS)
    except Exception:  # whatever is wrong with the code server, the sync has succeeded
        log("The tables are known to Dagster in full when the code location is loaded the next time.")
