"""The checks of a source, on `S/database`: what a careful user would ask of its tables after every sync.

They look at all tables of the source, in a step of its own after the databases have landed, read-only and for a moment.
So they say the same after one partition, after a range and after a whole sync, and can be run by themselves. None of
them blocks anything: what they look at is committed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import dagster as dg
from dagster import AssetRecordsFilter, DagsterInstance

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.read.quality import MetChange, TableQuality, table_qualities
from notion_pipeline.catalog.read.table_index import SyncedTable
from notion_pipeline.config.sources import Source
from notion_pipeline.defs.dagster_internals import (
    AssetCheckExecutionRecordStatus,
    normalize_metadata,
    report_check_evaluation,
)
from notion_pipeline.defs.resources import CatalogResource, ResourceKeys
from notion_pipeline.defs.tables import table_key
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.outside import markdown_text, shown_line
from notion_pipeline.redaction import traceback_text

IDS = "ids_unique_and_not_null"
ROWS = "row_count_is_what_notion_returned"
SCHEMA = "no_unexpected_schema_change"
VALUES = "values_converted"
_DESCRIPTIONS = {
    IDS: "Every row of every table has an id, and no two rows have the same.",
    ROWS: "Every table holds the rows that Notion returned: those of the last full read, and the new ones since.",
    SCHEMA: "No property was removed, renamed or retyped in the last seven days, but for what `notion-pipeline "
    "acknowledge` took down as known. One that was added is no harm.",
    VALUES: "Every value fits the type of its column. Others are NULL there, and intact in `properties`.",
}
#: What may break who reads a table by its columns.
_UNEXPECTED = frozenset({"removed", "renamed", "retyped"})
_EVALUATED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
_TABLES = "tables"
#: What these find needs a look and is no fault of the tables.
_WARNINGS = frozenset({SCHEMA, VALUES})
#: The others stand in the table of problems.
ROWS_IN_A_LINE = 3


@dataclass(frozen=True)
class Finding:
    """What is wrong with one table: in a line, and the rows or columns it is about."""

    table: SyncedTable
    what: str
    rows: Sequence[str] = ()


def source_checks(source: Source) -> dg.AssetChecksDefinition:
    """All checks of a source, one step."""
    name, keys = source.name, ResourceKeys(source.name)
    asset = dg.AssetKey([name, "database"])

    @dg.multi_asset_check(
        name=f"{name}_checks",
        specs=[
            dg.AssetCheckSpec(check, asset=asset, description=description)
            for check, description in _DESCRIPTIONS.items()
        ],
        can_subset=True,
        required_resource_keys={keys.catalog},
        description=f"Looks at every table of source {name}, read-only.",
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        catalog: CatalogResource = getattr(context.resources, keys.catalog)
        wanted = {key.name for key in context.selected_asset_check_keys}
        try:
            yield from check_results(context.instance, name, catalog.catalog(context.log.warning), wanted)
        except NotionPipelineError as error:
            raise dg.Failure(f"What was synced is committed. It could not be checked: {error}") from None

    return checks


def report_checks(context: dg.OutputContext, source: str, catalog: Catalog) -> None:
    """Reports what the checks find from within the step that syncs, for a run that fails there and never runs them."""
    step = context.step_context
    planned = {key.name for key in step.job_def.asset_layer.asset_graph.asset_check_keys if key.name in _DESCRIPTIONS}
    try:
        for found in check_results(step.instance, source, catalog, planned):
            evaluation = dg.AssetCheckEvaluation(
                asset_key=context.asset_key,
                check_name=str(found.check_name),
                passed=found.passed,
                metadata=normalize_metadata(found.metadata),
                severity=found.severity,
                description=found.description,
            )
            report_check_evaluation(context, evaluation)
    except Exception as error:  # the failure that brought the run here is the one to show
        context.log.warning(f"What was synced is committed. It could not be checked:\n{traceback_text(error)}")


def report_schema_check(instance: DagsterInstance, source: str, catalog: Catalog) -> None:
    """Says to Dagster what the check of schema changes finds now, outside of a run."""
    for found in check_results(instance, source, catalog, {SCHEMA}):
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey([source, "database"]),
                check_name=SCHEMA,
                passed=found.passed,
                metadata=normalize_metadata(found.metadata),
                severity=found.severity,
                description=found.description,
            )
        )


def check_results(
    instance: DagsterInstance, source: str, catalog: Catalog, wanted: set[str]
) -> Iterator[dg.AssetCheckResult]:
    asset = dg.AssetKey([source, "database"])
    told, is_first = _values_told(instance, asset, source) if VALUES in wanted else ({}, False)
    with catalog.reading() as connection:
        tables = table_qualities(connection, source, values_of=None if is_first else told)
    findings = {
        IDS: [_ids(table) for table in tables],
        ROWS: [_rows(table) for table in tables],
        SCHEMA: [_schema(table) for table in tables],
        VALUES: [_values(table, told) for table in tables],
    }
    for check in (name for name in _DESCRIPTIONS if name in wanted):
        yield _result(asset, check, [found for found in findings[check] if found is not None], tables)


def _result(
    asset: dg.AssetKey, check: str, findings: Sequence[Finding], tables: Sequence[TableQuality]
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.WARN if check in _WARNINGS else dg.AssetCheckSeverity.ERROR
    metadata: dict[str, Any] = {"tables_checked": len(tables), "rows_checked": sum(table.rows for table in tables)}
    if findings:
        metadata["problems"] = dg.MetadataValue.md(_table(findings))
        metadata[_TABLES] = [found.table.name for found in findings]
    lines = [
        shown_line(f'"{found.table.title or "Untitled"}" ({found.table.name}): {found.what}{_some(found)}')
        for found in findings
    ]
    return dg.AssetCheckResult(
        passed=not findings,
        check_name=check,
        asset_key=asset,
        severity=severity,
        metadata=metadata,
        description="; ".join(lines) or f"{len(tables)} tables looked at.",
    )


def _some(found: Finding) -> str:
    if not found.rows:
        return ""
    more = "; and more" if len(found.rows) > ROWS_IN_A_LINE else ""
    return f" Rows: {'; '.join(found.rows[:ROWS_IN_A_LINE])}{more}."


def _table(findings: Sequence[Finding]) -> str:
    rows = [
        f"| {markdown_text(found.table.title or 'Untitled')} | {found.table.database_id} "
        f"| {markdown_text(found.table.name)} | {markdown_text(found.what)} "
        f"| {'<br>'.join(map(markdown_text, found.rows))} |"
        for found in findings
    ]
    return "\n".join(["| database | id | table | problem | rows |", "| --- | --- | --- | --- | --- |", *rows])


def _ids(quality: TableQuality) -> Optional[Finding]:  # noqa: UP045
    if not quality.missing_ids and not quality.repeated:
        return None
    parts = []
    if quality.repeated:
        parts.append(f"{quality.repeated:,} rows repeat the id of another")
    if quality.missing_ids:
        parts.append(f"{quality.missing_ids:,} rows have no id")
    return Finding(quality.table, f"{' and '.join(parts)}; a full sync mends it.", quality.repeated_ids)


def _rows(quality: TableQuality) -> Optional[Finding]:  # noqa: UP045
    expected = quality.expected
    if expected is None or expected.holds(quality.rows):
        return None
    missing = expected.least - quality.rows
    what = f"{missing:,} are missing" if missing > 0 else f"{-missing:,} are too many"
    return Finding(
        quality.table,
        f"{quality.rows:,} rows, Notion returned {expected.least:,}: {what}. Something else wrote to the table; "
        "a full sync makes it exact.",
    )


def _schema(quality: TableQuality) -> Optional[Finding]:  # noqa: UP045
    changes = unexpected(quality.schema_changes)
    if not changes:
        return None
    return Finding(quality.table, f"{'; '.join(map(describe_change, changes))}.")


def unexpected(changes: Sequence[MetChange]) -> list[MetChange]:
    """Those that may break who reads a table by its columns."""
    return [met for met in changes if met.change["kind"] in _UNEXPECTED]


def describe_change(met: MetChange) -> str:
    """What changed and when a sync met it."""
    return f"{_change(met.change)} (synced {met.at:%Y-%m-%d %H:%M} UTC)"


def _change(change: dict[str, Any]) -> str:
    if change["kind"] == "renamed":
        return f'property "{change["before"]}" was renamed to "{change["after"]}"'
    if change["kind"] == "retyped":
        return f'property "{change["property"]}" became {change["after"]}, was {change["before"]}'
    return f'property "{change["property"]}" was removed'


def _values(quality: TableQuality, told: dict[str, int]) -> Optional[Finding]:  # noqa: UP045
    rows = [f"{lost.row}: {lost.column} is NULL, {lost.property_name} is {lost.raw[:80]}" for lost in quality.lost]
    count = told.get(quality.table.name, 0)
    if not rows and not count:
        return None
    what = f"{count:,} values of the rows last read do not fit" if count else "values of earlier syncs do not fit"
    return Finding(quality.table, f"{what} the type of their column; NULL there, intact in properties.", rows)


def _values_told(instance: DagsterInstance, asset: dg.AssetKey, source: str) -> tuple[dict[str, int], bool]:
    """Tables with values that were not converted, by what syncs have told since the last check, and how many.

    Those that the last check found are among them, for they may be as they were. With it whether there was none yet.
    """
    history = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(asset, VALUES), limit=1, status=_EVALUATED
    )
    last = history[0].event if history else None
    told: dict[str, int] = {}
    if last is not None and last.dagster_event is not None:
        before: Any = last.dagster_event.asset_check_evaluation_data.metadata.get(_TABLES)
        told = dict.fromkeys(before.value if before is not None else (), 0)
    for key in instance.get_asset_keys(prefix=[source]):
        if len(key.path) == 2 and key.path[1] not in ("database", "databases"):
            count = _told_since(instance, key, last.timestamp if last is not None else None)
            if count:
                told[key.path[1]] = count
    return told, last is None


def _told_since(instance: DagsterInstance, key: dg.AssetKey, moment: Optional[float]) -> int:  # noqa: UP045
    wanted = AssetRecordsFilter(asset_key=table_key(*key.path), after_timestamp=moment)
    counts = []
    for record in instance.fetch_materializations(wanted, limit=100).records:
        event = record.asset_materialization
        value = event.metadata.get("values_not_converted") if event is not None else None
        counts.append(int(value.value) if value is not None and isinstance(value.value, int) else 0)
    return max(counts, default=0)
