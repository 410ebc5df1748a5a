"""Which databases a run reads, and how: from its partition keys, its config and its tags."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Optional

import dagster as dg
from pydantic import Field

from notion_pipeline.catalog.read.table_index import SyncedTable
from notion_pipeline.config.selection import DatabaseName, find_databases, named_id, stream_name
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.runs.partitions import partitions_name
from notion_pipeline.defs.runs.still_selected import still_selected
from notion_pipeline.errors import ConfigError
from notion_pipeline.listing.cache import load_failures, load_listing
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.listing.resolution import Resolution, known_database_name, nothing_selected
from notion_pipeline.listing.targets import DatabaseTarget, DataSourceTarget
from notion_pipeline.messages import nearest
from notion_pipeline.notion_ids import normalise_id
from notion_pipeline.outside import shown_line
from notion_pipeline.state.interface import State

SYNC_TYPE_TAG = "notion_pipeline/sync_type"
#: Names the databases of a run that the sensor asked for.
DATABASES_TAG = "notion_pipeline/databases"
TRIGGER_TAG = "notion_pipeline/trigger"
SENSOR_TRIGGER = "changes"

DATABASES_HELP = (
    "For a run without a partition: titles, globs on titles, tables, ids, addresses or stream names of the databases "
    "to sync. Empty: all selected ones."
)
#: The Launchpad shows a description in a small window.
TITLES_SHOWN = 30


class ForcedSyncType(Enum):
    """How to sync, instead of what sources.yaml says."""

    INCREMENTAL = "INCREMENTAL"
    FULL_TABLE = "FULL_TABLE"


class DatabaseConfig(dg.Config):
    """What one run does otherwise than sources.yaml says."""

    sync_type: Optional[ForcedSyncType] = Field(  # noqa: UP045 - Dagster reads this annotation
        default=None,
        description="FULL_TABLE reads everything and makes the table exact; INCREMENTAL reads what was edited. "
        "Empty: as sources.yaml says.",
    )
    # An empty list and no factory: only what Dagster knows as a default does the Launchpad show.
    databases: list[str] = Field(default=[], description=DATABASES_HELP)


def known_titles(known: Sequence[SyncedTable]) -> str:
    """What a description says of the databases that there are, as far as the last sync knew."""
    titles = list(
        dict.fromkeys(shown_line(table.title) for table in sorted(known, key=lambda table: table.title) if table.title)
    )
    if not titles:
        return ""
    more = f" and {len(titles) - TITLES_SHOWN} more" if len(titles) > TITLES_SHOWN else ""
    return f" Known: {', '.join(titles[:TITLES_SHOWN])}{more}."


@dataclass(frozen=True)
class AskedFor:
    """What the assets that a run was launched for ask to be read.

    Attributes:
        everything: All selected databases, or those of the run's config.
        keys: Partitions of `S/database`.
        database_ids: Databases of the tables that were chosen.
        former: Database id by partition key, as the definitions know them: the catalog may have been lost.
        lists: The run lists too. Definitions were loaded before, so a table may have been chosen that is not to be
            synced any more.
    """

    everything: bool
    keys: tuple[str, ...] = ()
    database_ids: tuple[str, ...] = ()
    former: Mapping[str, str] = field(default_factory=dict)
    lists: bool = False


@dataclass(frozen=True)
class RunTargets:
    """The databases of a run, in order.

    Attributes:
        partitions: Partition key by database id, of those that have one.
        tables: Tables by database id, of those that a listing has named.
        visible: Every data source that the connection sees.
    """

    databases: list[DatabaseTarget]
    partitions: dict[str, str]
    tables: dict[str, tuple[str, ...]]
    visible: frozenset[str]


def run_targets(
    context: dg.AssetExecutionContext,
    resolution: Resolution,
    config: DatabaseConfig,
    asked: AskedFor,
    *,
    state: State,
    known: dict[str, KnownDatabase],
) -> RunTargets:
    """What a run reads. Databases whose partition is missing get it.

    Raises:
        ConfigError: sources.yaml selects no database.
    """
    source = resolution.source
    listed = {key: _target(database) for key, database in known.items() if database.accessible}
    repeated = {context.run.parent_run_id, context.run.root_run_id} - {None}
    fresh = load_listing(state, source.name, context.run.run_id)
    fresh |= {key: target for key, target in load_failures(state, source.name, repeated).items() if key not in listed}
    listed.update(fresh)
    visible = frozenset(key for database in known.values() if database.accessible for key, _ in database.data_sources)
    # A name that fits nothing fails by itself, as a database does; the others of the run are synced.
    partitions, unknown = _of_keys(source, asked, known)
    wanted = list(dict.fromkeys([*partitions, *asked.database_ids]))
    # A partition that was named is not left out without a word.
    may_miss = set(wanted) - set(partitions) if asked.lists else set()
    wanted, not_selected = still_selected(context.log, source, wanted, known, may_miss=may_miss)
    unlisted: dict[str, KnownDatabase] = {}
    if asked.everything:
        found_by_sensor = context.run.tags.get(TRIGGER_TAG) == SENSOR_TRIGGER
        unlisted = {
            key: KnownDatabase(key, target.title, "", (), selected=True, accessible=True)
            for key, target in fresh.items()
            if key not in known or not known[key].accessible
        }
        ids, more = _wanted(
            resolution, config.databases, known | unlisted, context.log.info, found_by_sensor=found_by_sensor
        )
        wanted, unknown = list(dict.fromkeys([*wanted, *ids])), unknown | more
    for key in wanted:
        if key in known and known[key].accessible and key not in unlisted:
            partitions.setdefault(key, known[key].partition)
    present = set(context.instance.get_dynamic_partitions(partitions_name(source.name)))
    if missing := [key for key in partitions.values() if key not in present]:
        context.instance.add_dynamic_partitions(partitions_name(source.name), missing)
    listed.update({entry: DatabaseTarget(entry, entry, "", (), error) for entry, error in unknown.items()})
    listed.update({key: replace(_target(known[key]), failure=error) for key, error in not_selected.items()})
    targets = [listed.get(key) or DatabaseTarget(key, "", "", ()) for key in [*wanted, *unknown]]
    tables = {key: known[key].tables for key in wanted if key in known}
    return RunTargets(targets, partitions, tables, visible)


def _of_keys(
    source: Source, asked: AskedFor, known: Mapping[str, KnownDatabase]
) -> tuple[dict[str, str], dict[str, ConfigError]]:
    """The partition key of each database that was asked for by its partition, and what is wrong with other keys."""
    by_partition = {database.partition: database.id for database in known.values()}
    found: dict[str, str] = {}
    unknown: dict[str, ConfigError] = {}
    for key in asked.keys:
        # Ids were the keys once; the next listing takes those that are left away.
        database_id = by_partition.get(key) or asked.former.get(key) or normalise_id(key)
        if database_id is not None:
            found[database_id] = key
        else:
            unknown[key] = _no_partition(source, key, known)
    return found, unknown


def _no_partition(source: Source, key: str, known: Mapping[str, KnownDatabase]) -> ConfigError:
    """Why a partition that somebody added by hand belongs to no database, and which was meant."""
    names = [known_database_name(source, database) for database in known.values()]
    meant = [known[name.id] for name in find_databases(key, names, globs=False)]
    if not meant and (near := nearest(key, [database.title for database in known.values()])):
        meant = [database for database in known.values() if database.title == near]
    hint = f"`notion-pipeline streams` shows what there is; {source.name}/databases keeps the partitions."
    if meant:
        title = shown_line(meant[0].title) or "Untitled"
        hint = f'The database "{title}" has the partition "{meant[0].partition}".' + (
            "" if meant[0].selected else " It is not selected in sources.yaml."
        )
    return ConfigError(f'No database has the partition "{key}".', hint=hint, source=source.name)


def has_keys(context: dg.AssetExecutionContext) -> bool:
    """Whether the run was launched for a partition or a range of them."""
    return bool(context.has_partition_key or context.has_partition_key_range)


def _target(database: KnownDatabase) -> DatabaseTarget:
    members = tuple(DataSourceTarget(key, name) for key, name in database.data_sources)
    return DatabaseTarget(database.id, database.title, database.url, members)


def _wanted(
    resolution: Resolution,
    entries: Sequence[str],
    known: dict[str, KnownDatabase],
    log: Callable[[str], None],
    *,
    found_by_sensor: bool,
) -> tuple[list[str], dict[str, ConfigError]]:
    """The ids of the databases that a run is about, and what is wrong with the names that fit none of them."""
    source = resolution.source
    selected = [
        known_database_name(source, database)
        for database in known.values()
        if database.accessible and database.selected
    ]
    if not entries:
        if not selected and (problem := nothing_selected(resolution, sum(d.accessible for d in known.values()))):
            raise ConfigError(
                problem,
                hint="Mend select and deselect in sources.yaml; `notion-pipeline streams` shows what there is.",
                source=source.name,
            )
        return [database.id for database in selected], {}
    wanted: list[str] = []
    unknown: dict[str, ConfigError] = {}
    for entry in entries:
        named = named_id(entry)
        # The sensor may name a database of which only a page is shared; of a person such a name is a mistake.
        if named is not None and found_by_sensor and named not in {d.id for d in selected}:
            log(f"Database {entry} is not among the selected ones; it is left out.")
            continue
        # What sources.yaml calls a database is understood here as well, after it was renamed in Notion too.
        found = find_databases(entry, selected) or [d for d in selected if d.id in source.ids_called(entry)]
        if not found:
            unknown[entry] = _unknown(source, entry, selected, known)
        wanted.extend(database.id for database in found)
    return list(dict.fromkeys(wanted)), unknown


def _unknown(
    source: Source, entry: str, selected: Sequence[DatabaseName], known: dict[str, KnownDatabase]
) -> ConfigError:
    """Why a name fits no selected database: another is meant, or the one it names is not selected."""
    others = find_databases(entry, (known_database_name(source, database) for database in known.values()))
    if others:
        accessible = known[others[0].id].accessible
        why = "it is not selected" if accessible else "the connection does not see it any more"
        return ConfigError(
            f'No selected database is called "{entry}": {why}.',
            hint=f"Look at select and deselect of the source in sources.yaml, then materialize {source.name}/databases."
            if accessible
            else f"Share it with the connection again, then materialize {source.name}/databases.",
            source=source.name,
        )
    near = nearest(
        entry, [*(d.title for d in selected), *(stream_name(d.id) for d in selected), *(d.id for d in selected)]
    )
    return ConfigError(
        f'No selected database is called "{entry}"' + (f', nearest is "{near}".' if near else "."),
        hint="See the asset's partitions, or `notion-pipeline streams`, for what there is.",
        source=source.name,
    )


def forced_sync_type(context: dg.AssetExecutionContext, config: DatabaseConfig) -> Optional[str]:  # noqa: UP045
    if config.sync_type is not None:
        return config.sync_type.value
    tag = context.run.tags.get(SYNC_TYPE_TAG)
    if tag is not None and tag not in ForcedSyncType.__members__:
        raise ConfigError(
            f'The run tag {SYNC_TYPE_TAG} is "{tag}".', hint=f"It may be {' or '.join(ForcedSyncType.__members__)}."
        )
    return tag
