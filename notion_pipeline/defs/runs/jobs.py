"""The jobs of a source and the schedules that start them.

`S_sync` lists the databases, then syncs those that are selected; `S_full_sync` does so with FULL_TABLE. Schedules exist
where sources.yaml has them. They run from the start, and skip a tick while a run that does all the tick asks for is
unfinished: a run of one database, or of one asset, holds no tick back.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Union

import dagster as dg
from dagster import DagsterRun

from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.content.jobs import content_keys
from notion_pipeline.defs.dagster_internals import UnresolvedAssetJobDefinition
from notion_pipeline.defs.runs.account_tags import ACCOUNT_TAG
from notion_pipeline.defs.runs.run_locks import unfinished_run
from notion_pipeline.defs.runs.run_targets import SYNC_TYPE_TAG, ForcedSyncType
from notion_pipeline.state.interface import State

_PARTITION_TAGS = frozenset(
    {"dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"}
)


def sync_jobs(source: Source, asset_keys: AssetKeys, account: str) -> list[UnresolvedAssetJobDefinition]:
    """`S_sync` and `S_full_sync`.

    Args:
        account: Names the source's account in the tags of the runs.
    """
    name = source.name
    described = f"{source.description}. " if source.description else ""
    selection = dg.AssetSelection.assets(asset_keys.databases, asset_keys.sync)
    return [
        dg.define_asset_job(
            f"{name}_sync",
            selection,
            tags={ACCOUNT_TAG: account},
            description=f"{described}Lists the databases, then syncs every selected one, or those of the config's "
            "`databases`.",
            executor_def=dg.in_process_executor,
        ),
        dg.define_asset_job(
            f"{name}_full_sync",
            selection,
            tags={ACCOUNT_TAG: account, SYNC_TYPE_TAG: ForcedSyncType.FULL_TABLE.value},
            description=f"{described}The same as a full sync of every table: exact again, rows gone from Notion "
            "removed or marked.",
            executor_def=dg.in_process_executor,
        ),
    ]


def sync_schedules(source: Source, state: State, asset_keys: AssetKeys) -> list[dg.ScheduleDefinition]:
    wanted = [
        (f"{source.name}_schedule", f"{source.name}_sync", source.schedule),
        (f"{source.name}_full_sync_schedule", f"{source.name}_full_sync", source.full_sync_schedule),
        (
            f"{source.name}_content_schedule",
            f"{source.name}_content",
            source.content.schedule if source.content else (),
        ),
    ]
    return [
        _schedule(source, name, job, list(crons), state, asset_keys=asset_keys) for name, job, crons in wanted if crons
    ]


def _schedule(
    source: Source, name: str, job: str, crons: list[str], state: State, *, asset_keys: AssetKeys
) -> dg.ScheduleDefinition:
    described = f"{source.description}. " if source.description else ""

    @dg.schedule(
        name=name,
        job_name=job,
        cron_schedule=crons if len(crons) > 1 else crons[0],
        execution_timezone=source.timezone,
        description=f"{described}Runs {job} when sources.yaml says; skips a tick while the run before works. A run of "
        "single databases holds no tick back.",
        owners=list(source.owners),
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[Union[dg.RunRequest, dg.SkipReason]]:  # noqa: UP007
        running = unfinished_run(
            context.instance,
            job,
            state,
            lambda run: _does_all(run, job, source, asset_keys),
        )
        if running is not None:
            yield dg.SkipReason(f"Run {running.run_id} of {job} is not finished yet.")
        else:
            yield dg.RunRequest()

    return tick


def _does_all(run: DagsterRun, job: str, source: Source, asset_keys: AssetKeys) -> bool:
    """Whether a run of a job does all that a tick asks for."""
    if job == f"{source.name}_content":
        return _reads_all_content(run, content_keys(source, asset_keys))
    return is_whole(run, asset_keys, full=job == f"{source.name}_full_sync")


def _reads_all_content(run: DagsterRun, keys: Mapping[str, dg.AssetKey]) -> bool:
    """Whether a run of the content job reads all that is due.

    Args:
        keys: The assets of the job, by op.
    """
    if _has_partitions(run) or not set(run.asset_selection or keys.values()) >= set(keys.values()):
        return False
    return _runs_all(run, keys.keys()) and _names_all(_op_config(run.run_config, next(iter(keys))))


def is_whole(run: DagsterRun, asset_keys: AssetKeys, *, full: bool) -> bool:
    """Whether a run of a sync job does all that a tick asks for: it lists, and syncs every selected database.

    Args:
        full: Every database is to be read in full, too.
    """
    if _has_partitions(run):
        return False
    op = f"{asset_keys.source}__database"
    if run.asset_selection:
        lists = asset_keys.databases in run.asset_selection
        # The second name of `S/sync` is that beside a table `sync`.
        whole = [asset_keys.key(name) for name in ("sync", "sync_", "database")]
        if not lists or run.asset_selection.isdisjoint(whole):
            return False
    config = _op_config(run.run_config, op)
    forced = config.get("sync_type") or run.tags.get(SYNC_TYPE_TAG) or ForcedSyncType.FULL_TABLE.value
    is_full = forced == ForcedSyncType.FULL_TABLE.value
    return _runs_all(run, {op}) and _names_all(config) and (is_full or not full)


def _has_partitions(run: DagsterRun) -> bool:
    return run.partitions_subset is not None or not _PARTITION_TAGS.isdisjoint(run.tags)


def _runs_all(run: DagsterRun, ops: Collection[str]) -> bool:
    chosen = (run.step_keys_to_execute, run.resolved_op_selection)
    return all(set(found or ops) >= set(ops) for found in chosen)


def _names_all(config: Mapping[str, Any]) -> bool:
    return all(entry == "*" for entry in config.get("databases") or [])


def _op_config(run_config: Mapping[str, Any], op: str) -> Mapping[str, Any]:
    """What a run's config says to an op; empty where it says nothing."""
    found: Any = run_config
    for key in ("ops", op, "config"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
