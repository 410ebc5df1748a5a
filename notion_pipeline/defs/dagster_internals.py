"""Everything of Dagster's that is not public, with what it is for: an upgrade of Dagster breaks this file alone.

All of it was tried on the Dagster line that pyproject.toml allows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import dagster as dg
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun
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

if TYPE_CHECKING:
    from dagster._core.storage.event_log import SqliteEventLogStorage

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
    "events_in_one_transaction",
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
#: How long to wait while another process stores an event, as long as Dagster itself waits.
SQLITE_SECONDS = 30
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


@contextmanager
def events_in_one_transaction(instance: DagsterInstance) -> Iterator[None]:
    """What this process logs meanwhile is stored in one transaction, where Dagster keeps events in SQLite files.

    Dagster stores each event alone: it opens the file of the run and that of all runs, commits and closes both, which
    takes longer than to commit a database that did not change. Other storages are left as they are. Use it for moments
    only: other processes wait to store their events.
    """
    from dagster._core.storage.event_log import SqliteEventLogStorage  # noqa: PLC0415 - slow; a run has it loaded

    storage = instance.event_log_storage
    if type(storage) is not SqliteEventLogStorage or "_connect" in vars(storage):
        yield
        return
    shared = _SharedConnections(storage)
    vars(storage)["_connect"] = shared.connect
    try:
        yield
    finally:
        del vars(storage)["_connect"]
        shared.commit()


class _SharedConnections:
    """A connection to each file of events, in a transaction that stays open from one event to the next."""

    def __init__(self, storage: "SqliteEventLogStorage") -> None:
        self._storage = storage
        self._alone = storage._connect
        self._open: dict[str, Any] = {}
        self._is_over = False

    @contextmanager
    def connect(self, shard: str) -> Iterator[Any]:
        """In the place of the storage's own method, for one thread at a time as there."""
        with self._storage._db_lock:
            if not self._is_over and shard in self._storage._initialized_dbs:
                yield self._connection(shard)
                return
        with self._alone(shard) as connection:
            yield connection

    def _connection(self, shard: str) -> Any:
        if shard not in self._open:
            import sqlalchemy  # noqa: PLC0415 - slow; a storage of events has it loaded

            engine = sqlalchemy.create_engine(
                self._storage.conn_string_for_shard(shard),
                poolclass=sqlalchemy.pool.NullPool,
                connect_args={"timeout": SQLITE_SECONDS, "check_same_thread": False},
            )
            connection = engine.connect()
            connection.begin()
            self._open[shard] = connection
        return self._open[shard]

    def commit(self) -> None:
        with self._storage._db_lock:
            self._is_over = True
            try:
                for connection in self._open.values():
                    connection.commit()
            finally:
                for connection in self._open.values():
                    connection.close()


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
