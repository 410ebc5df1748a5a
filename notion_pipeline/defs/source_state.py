"""What Dagster's instance keeps of a source: its partitions, and the history of its assets."""

from collections.abc import Iterable
from pathlib import Path
from typing import Union

from dagster import DagsterInstance, DagsterRun

from notion_pipeline.defs.partitions import partitions_name
from notion_pipeline.defs.run_locks import unfinished_run
from notion_pipeline.defs.tables import table_key


def working_run(instance: DagsterInstance, source: str, home: Path) -> Union[DagsterRun, None]:  # noqa: UP007
    """A run of one of the source's jobs that waits or works."""
    runs = (unfinished_run(instance, f"{source}_{job}", home) for job in ("sync", "full_sync"))
    return next((run for run in runs if run is not None), None)


def partitions_of(instance: DagsterInstance, source: str) -> list[str]:
    return list(instance.get_dynamic_partitions(partitions_name(source)))


def forget_source(instance: DagsterInstance, source: str, tables: Iterable[str]) -> None:
    """Takes the source's partitions and the history of its assets out of the instance.

    Args:
        tables: Of which there may be assets. Other assets whose keys begin with the source's name are somebody's own.
    """
    for key in partitions_of(instance, source):
        instance.delete_dynamic_partition(partitions_name(source), key)
    keys = [table_key(source, name) for name in ("databases", "database", *tables)]
    known = [key for key in dict.fromkeys(keys) if instance.has_asset_key(key)]
    if known:
        instance.wipe_assets(known)


def move_partitions(instance: DagsterInstance, old: str, new: str) -> None:
    """Gives the partitions of a source to another name; the history of its assets is that of the old one."""
    if keys := partitions_of(instance, old):
        instance.add_dynamic_partitions(partitions_name(new), keys)
