"""The dynamic partitions of a source: one key a database, the name of its table; and when a key may go."""

from collections.abc import Iterable, Mapping
from typing import Optional

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from notion_pipeline.defs.dagster_internals import BulkActionsFilter, BulkActionStatus
from notion_pipeline.errors import ConfigError
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.state.interface import State
from notion_pipeline.sync.locks import is_locked

_WORKING = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_RANGE_START = "dagster/asset_partition_range_start"
_PARTITION = "dagster/partition"


def partitions_name(source: str) -> str:
    return f"{source}_databases"


def database_partitions(source: str) -> dg.DynamicPartitionsDefinition:
    return dg.DynamicPartitionsDefinition(name=partitions_name(source))


def partition_keys(context: dg.AssetExecutionContext) -> tuple[str, ...]:
    """The keys of a run over a partition or a range.

    Raises:
        ConfigError: The range is empty: its ends are in the order in which the partitions were made.
    """
    if keys := tuple(context.partition_keys):
        return keys
    first, last = context.partition_key_range
    raise ConfigError(f'No partition is between "{first}" and "{last}".', hint="Try the two the other way round.")


def update_partitions(
    instance: DagsterInstance,
    source: str,
    selected: Iterable[str],
    ids: Mapping[str, str],
    *,
    state: State,
    asset: Optional[dg.AssetKey] = None,  # noqa: UP045
) -> tuple[list[str], list[str], list[str]]:
    """Makes the keys those of the selected databases.

    Args:
        ids: Database id by key, of the databases that are known, whether selected or not.
        asset: The asset of these partitions; `S/database` unless a host translates it.

    Returns:
        The keys added, those removed, and those that stay for now since a run works on them: to take a key out of a
        range that is being materialized would make that run fail.
    """
    name = partitions_name(source)
    wanted = list(dict.fromkeys(selected))
    present = set(instance.get_dynamic_partitions(name))
    added = [key for key in wanted if key not in present]
    if added:
        instance.add_dynamic_partitions(name, added)
    leaving = sorted(present - set(wanted))
    ours = asset or dg.AssetKey([source, "database"])
    busy = _busy_keys(instance, source, leaving, ids, state, ours=ours) if leaving else set()
    removed = [key for key in leaving if key not in busy]
    for key in removed:
        instance.delete_dynamic_partition(name, key)
    return added, removed, sorted(busy)


def _busy_keys(
    instance: DagsterInstance, source: str, keys: list[str], ids: Mapping[str, str], state: State, *, ours: dg.AssetKey
) -> set[str]:
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])):
        if ours in (backfill.asset_selection or []):
            return set(keys)
    # Keys were ids once. One that somebody added by hand may be any text, and no database.
    of_key = {key: ids.get(key) or normalise_id(key) for key in keys}
    busy = {key for key, database_id in of_key.items() if database_id and is_locked(state, source, database_id)}
    for run in instance.get_runs(RunsFilter(statuses=_WORKING)):
        if ours not in (run.asset_selection or {ours}):
            continue
        if _RANGE_START in run.tags:
            return set(keys)
        if run.tags.get(_PARTITION) in keys:
            busy.add(run.tags[_PARTITION])
    return busy


def partitions_of(instance: DagsterInstance, source: str) -> list[str]:
    return list(instance.get_dynamic_partitions(partitions_name(source)))


def move_partitions(instance: DagsterInstance, old: str, new: str) -> None:
    """Gives the partitions of a source to another name. The history of its assets stays with the old name."""
    if keys := partitions_of(instance, old):
        instance.add_dynamic_partitions(partitions_name(new), keys)
