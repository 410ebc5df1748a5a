"""The checks of each table: what a careful user would ask of it after every sync.

A sync checks the tables that it has just filled and reports what it finds; checks can also be run by themselves. They
read, for a moment, and block nothing: what they look at is committed.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

import dagster as dg
from dagster import DagsterEventType, DagsterInstance

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.quality import table_qualities
from notion_pipeline.catalog.read.table_index import SyncedTable
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.assets.tables import output_name
from notion_pipeline.defs.checks.check_reports import CheckNews, check_result, short
from notion_pipeline.defs.checks.findings import DESCRIPTIONS, SCHEMA, VALUES, Finding, find_problems
from notion_pipeline.defs.dagster_internals import (
    AssetCheckExecutionRecordStatus,
    events_in_one_transaction,
    normalize_metadata,
    report_check_evaluation,
)
from notion_pipeline.defs.metadata import has_changed, partition_link
from notion_pipeline.defs.resources import CatalogResource, ResourceKeys
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.outside import shown_line
from notion_pipeline.redaction import traceback_text

#: What these find needs a look and is no fault of the table.
_WARNINGS = frozenset({SCHEMA, VALUES})
_EVALUATED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


def source_checks(source: Source, asset_keys: AssetKeys) -> list[dg.AssetsDefinition]:
    """The checks of every table that is kept in sync, as one step; none where there is no table yet."""
    name, keys = source.name, ResourceKeys(source.name)
    by_output = {output_name(table): table for table in asset_keys.tables if table.in_sync}
    if not by_output:
        return []
    names = {asset_keys.key(table.name): table.name for table in by_output.values()}

    @dg.multi_asset_check(
        name=f"{name}_checks",
        # Names of tables may be any text, names of outputs may not: each asset gets its key below.
        specs=[
            dg.AssetCheckSpec(check, asset=output, description=description)
            for output in by_output
            for check, description in DESCRIPTIONS.items()
        ],
        can_subset=True,
        required_resource_keys={keys.catalog},
        description=f"Looks at tables of source {name}, read-only.",
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        catalog: CatalogResource = getattr(context.resources, keys.catalog)
        wanted = context.selected_asset_check_keys
        chosen = {names[key.asset_key] for key in wanted}
        # Of a table that this run has synced, what the sync says of its values; of others each row is looked at.
        synced = _values_synced(context.instance, context.run.run_id, names)
        values_of = dict.fromkeys(chosen - set(synced), 0) | _doubtful(context.instance, asset_keys, synced)
        try:
            found = _look(catalog.catalog(context.log.warning), name, chosen, values_of=values_of)
        except NotionPipelineError as error:
            raise dg.Failure(f"What was synced is committed. It could not be checked: {error}") from None
        for key in sorted(wanted):
            table = found.get(names[key.asset_key])
            if table is None:
                not_yet = "No sync has filled this table yet."
                yield dg.AssetCheckResult(
                    passed=True, asset_key=key.asset_key, check_name=key.name, description=not_yet
                )
            else:
                yield check_result(table.evaluation(asset_keys, key.name))

    of_tables = {dg.AssetKey(output): asset_keys.key(table.name) for output, table in by_output.items()}
    return [checks.with_attributes(asset_key_replacements=of_tables)]


@dataclass(frozen=True)
class _Checked:
    """A table with what each check found."""

    table: SyncedTable
    rows: int
    findings: Mapping[str, Optional[Finding]]  # noqa: UP045

    def evaluation(self, asset_keys: AssetKeys, check: str) -> dg.AssetCheckEvaluation:
        found = self.findings[check]
        metadata: dict[str, Any] = {"rows_checked": self.rows}
        description = f"{self.rows:,} rows looked at."
        if found is not None:
            title = shown_line(self.table.title) or "Untitled"
            some = f" Rows: {'; '.join(found.rows)}." if found.rows else ""
            description = short(shown_line(f'"{title}" ({self.table.name}): {found.what}{some}'))
            metadata["database_id"] = self.table.database_id
            metadata["partition"] = partition_link(asset_keys, self.table.partition)
        return dg.AssetCheckEvaluation(
            passed=found is None,
            asset_key=asset_keys.key(self.table.name),
            check_name=check,
            severity=dg.AssetCheckSeverity.WARN if check in _WARNINGS else dg.AssetCheckSeverity.ERROR,
            metadata=normalize_metadata(metadata),
            description=description,
        )


def _look(
    catalog: Catalog, source: str, tables: Collection[str], *, values_of: Mapping[str, int]
) -> dict[str, _Checked]:
    """What the checks find of some tables, by name.

    Args:
        values_of: Tables whose values are looked at row by row, with how many did not fit in the last read.
    """
    qualities = catalog.read(lambda connection: table_qualities(connection, source, tables=tables, values_of=values_of))
    return {
        quality.table.name: _Checked(
            quality.table,
            quality.rows,
            find_problems(quality, not_converted=values_of.get(quality.table.name, 0)),
        )
        for quality in qualities
    }


def report_checks(
    context: dg.OutputContext,
    asset_keys: AssetKeys,
    catalog: Catalog,
    loaded: Mapping[str, Mapping[str, Any]],
    *,
    step_fails: bool,
) -> None:
    """Checks the tables that this step has just filled, and reports what is new.

    Args:
        loaded: Metadata of each table's materialization, by table.
        step_fails: The checks of this run that Dagster planned for after the step will not run.
    """
    try:
        step = context.step_context
        keys = [dg.AssetCheckKey(asset_keys.key(table), check) for table in loaded for check in DESCRIPTIONS]
        news = CheckNews(context, keys, step_fails=step_fails)
        counts = {table: int(metadata.get("values_not_converted", 0)) for table, metadata in loaded.items()}
        values_of = _doubtful(step.instance, asset_keys, counts)
        looked_at = _look(catalog, asset_keys.source, loaded, values_of=values_of)
        with events_in_one_transaction(step.instance):
            for table, checked in looked_at.items():
                for check in DESCRIPTIONS:
                    key = dg.AssetCheckKey(asset_keys.key(table), check)
                    if news.has(key, passes=checked.findings[check] is None, changed=has_changed(loaded[table])):
                        report_check_evaluation(context, checked.evaluation(asset_keys, check))
    except Exception as error:  # the sync itself has succeeded, or its own failure is the one to show
        context.log.warning(f"What was synced is committed. It could not be checked:\n{traceback_text(error)}")


def _values_synced(instance: DagsterInstance, run_id: str, names: Mapping[dg.AssetKey, str]) -> dict[str, int]:
    """How many values did not fit, of each table that a run has materialized, by table."""
    records = instance.get_records_for_run(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION).records
    events = [event for record in records if (event := record.asset_materialization) and event.asset_key in names]
    told = {names[event.asset_key]: event.metadata.get("values_not_converted") for event in events}
    return {table: value.value or 0 if isinstance(value, dg.IntMetadataValue) else 0 for table, value in told.items()}


def _doubtful(instance: DagsterInstance, asset_keys: AssetKeys, counts: Mapping[str, int]) -> dict[str, int]:
    """Those of the tables whose values are to be looked at: some did not fit now, or when they were last checked."""
    keys = {table: dg.AssetCheckKey(asset_keys.key(table), VALUES) for table in counts}
    storage = instance.event_log_storage
    latest = storage.get_latest_asset_check_execution_by_key(list(keys.values())) if keys else {}

    def had_failed(key: dg.AssetCheckKey) -> bool:
        record = latest.get(key)
        if record is not None and record.status not in _EVALUATED:  # planned by this run, which has not come to it
            record = next(iter(storage.get_asset_check_execution_history(key, limit=1, status=_EVALUATED)), None)
        return record is not None and record.status == AssetCheckExecutionRecordStatus.FAILED

    return {table: count for table, count in counts.items() if count or had_failed(keys[table])}


def report_schema_check(instance: DagsterInstance, source: str, catalog: Catalog, tables: Collection[str]) -> None:
    """Says to Dagster what the check of schema changes finds now, outside of a run."""
    for checked in _look(catalog, source, tables, values_of={}).values():
        instance.report_runless_asset_event(checked.evaluation(AssetKeys(source), SCHEMA))
