"""What Dagster shows of a sync and of its assets, in the keys that its pages draw specially."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional
from urllib.parse import quote

import dagster as dg

from notion_pipeline.catalog.listing.databases import ListedStream
from notion_pipeline.catalog.read.gone import GoneDatabase
from notion_pipeline.catalog.state import StreamState
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.extraction.extract import DatabaseExtract, Extract, LoadResult
from notion_pipeline.notion.limits.run_usage import RunUsage
from notion_pipeline.outside import markdown_link, markdown_text, shown, shown_line, web_address
from notion_pipeline.project import Project

COLUMN_SCHEMA = "dagster/column_schema"
_COUNTS = (
    "rows_read",
    "rows_inserted",
    "rows_updated",
    "rows_unchanged",
    "rows_removed",
    "values_not_computed",
    "values_not_converted",
)


#: Name, DuckDB type and comment of each column.
Columns = Sequence[tuple[str, str, Optional[str]]]  # noqa: UP045


def listing_metadata(
    asset_keys: AssetKeys,
    streams: Sequence[ListedStream],
    columns: Columns,
    *,
    api_requests: int,
    unmatched: Sequence[str],
    renamed: Sequence[str] = (),
    gone: Sequence[GoneDatabase] = (),
    failures: Sequence[str] = (),
) -> dict[str, Any]:
    """Of a listing.

    Args:
        failures: Why databases, or search, could not be looked at.
    """
    rows = [
        f"| {markdown_link(s.title or 'Untitled', web_address(s.url))} | {_partition_cell(s, asset_keys)} | "
        f"{markdown_text(', '.join(s.tables))} | {s.sync_type} | {'yes' if s.selected else 'no'} |"
        for s in streams
    ]
    table = "\n".join(["| title | stream | table | sync type | selected |", "| --- | --- | --- | --- | --- |", *rows])
    found: dict[str, Any] = {
        "dagster/row_count": len(streams),
        "dagster/table_name": f"{asset_keys.source}.databases",
        COLUMN_SCHEMA: column_schema(columns),
        "databases": dg.MetadataValue.md(table),
        "selected": sum(stream.selected for stream in streams),
        "api_requests": api_requests,
    }
    if gone:
        found["not_seen_any_more"] = dg.MetadataValue.md(_gone_table(gone))
    if unmatched:
        found["matches_nothing"] = dg.MetadataValue.md("\n".join(f"- {markdown_text(entry)}" for entry in unmatched))
    if renamed:
        found["renamed_in_notion"] = dg.MetadataValue.md("\n".join(f"- {markdown_text(line)}" for line in renamed))
    if failures:
        found["not_listed"] = dg.MetadataValue.md("\n".join(f"- {markdown_text(reason)}" for reason in failures))
    return found


def _gone_table(gone: Sequence[GoneDatabase]) -> str:
    rows = [
        f"| {markdown_link(database.title or 'Untitled', database.url)} | {database.reason} "
        f"| {f'{database.last_seen_at:%Y-%m-%d %H:%M} UTC' if database.last_seen_at else ''} "
        f"| {', '.join(database.tables)} |"
        for database in gone
    ]
    return "\n".join(["| title | reason | last seen | tables that stay |", "| --- | --- | --- | --- |", *rows])


def sync_metadata(database: DatabaseExtract, landed: Sequence[tuple[Extract, LoadResult]]) -> dict[str, Any]:
    """Of one partition: sums over its data sources, and a table a data source where there are several."""
    began = min(extract.stage.started_at for extract, _ in landed)
    found = {
        **_told(database, [result for _, result in landed], [extract.sync_type for extract, _ in landed]),
        "read": ", ".join(dict.fromkeys(extract.read for extract, _ in landed)),
        "api_requests": sum(extract.counts.api_requests for extract, _ in landed),
        "api_retries": sum(extract.counts.api_retries for extract, _ in landed),
        "seconds_rate_limited": round(sum(extract.counts.seconds_rate_limited for extract, _ in landed), 3),
        # From the first request on, of an earlier attempt that this one finished as well, until it is committed.
        "seconds": round((datetime.now(timezone.utc) - began).total_seconds(), 1),
    }
    if reasons := list(dict.fromkeys(extract.reason for extract, _ in landed if extract.reason)):
        found["reason"] = "; ".join(reasons)
    if hidden := [name for extract, _ in landed for name in _hidden(extract)]:
        found["relations_not_shared"] = hidden
    if unclear := [line for extract, _ in landed for line in _unclear(extract)]:
        found["relations_not_looked_at"] = unclear
    if refused := [extract.counts.archived_refused for extract, _ in landed if extract.counts.archived_refused]:
        found["archived_rows_refused"] = refused
    if children := sum(extract.counts.child_data_sources for extract, _ in landed):
        found["child_data_sources"] = children
    if others := sum(extract.counts.other_objects for extract, _ in landed):
        found["other_objects"] = others
    if disagreeing := sum(extract.counts.values_disagreeing for extract, _ in landed):
        found["values_disagreeing"] = disagreeing
    if refused_values := sum(extract.counts.values_refused for extract, _ in landed):
        found["values_refused"] = refused_values
    return found


def has_changed(metadata: Mapping[str, Any]) -> bool:
    """Whether a sync changed a row or the schema, by what its materialization says."""
    changes = ("rows_inserted", "rows_updated", "rows_removed", "values_not_converted", "schema_changes")
    return any(metadata.get(name) for name in changes)


def with_assets(metadata: dict[str, Any], tables: Mapping[str, dg.AssetKey]) -> dict[str, Any]:
    """Of a partition, with the way to the asset of each of its tables, behind title, link and name."""
    assets = {
        f"asset {name}" if len(tables) > 1 else "asset": dg.MetadataValue.asset(key) for name, key in tables.items()
    }
    head = ("database_title", "database_url", "dagster/table_name")
    first: dict[str, Any] = {name: metadata[name] for name in head if name in metadata}
    return {**first, **assets, **metadata}


def without_columns(metadata: dict[str, Any]) -> dict[str, Any]:
    """Of a table that did not change: its columns are nine tenths of an event, and stand in its definition as well."""
    return {name: value for name, value in metadata.items() if name != COLUMN_SCHEMA}


def run_metadata(databases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of a run over many databases: the sums of what its partitions tell."""
    sums = {
        name: sum(found.get(name, 0) for found in databases) for name in (*_COUNTS[:5], "api_requests", "api_retries")
    }
    return {
        "databases": len(databases),
        "dagster/row_count": sum(f.get("dagster/row_count", 0) for f in databases),
        **sums,
    }


def usage_metadata(usage: RunUsage, allowed: int) -> dict[str, Any]:
    """What a run took of its account's limit, in numbers that Dagster plots.

    Args:
        allowed: Requests in a minute.
    """
    return {
        "requests_made": usage.requests,
        "most_requests_in_a_minute": usage.most_in_a_minute,
        "requests_a_minute_allowed": allowed,
        "percent_of_limit": round(100 * usage.most_in_a_minute / allowed, 1),
        "seconds_rate_limited": round(usage.pauses.seconds, 3),
        "seconds_paced": round(usage.turns.seconds, 3),
    }


def skipped_metadata(database: DatabaseExtract, current: Sequence[tuple[StreamState, LoadResult]]) -> dict[str, Any]:
    """Of a partition that an earlier attempt of the run committed: the same keys, with its tables as they stand."""
    skipped = {"skipped": "committed by an earlier attempt of this run"}
    return {**current_metadata(database, current), **skipped} if current else skipped


def current_metadata(database: DatabaseExtract, current: Sequence[tuple[StreamState, LoadResult]]) -> dict[str, Any]:
    """Of tables as they stand, told as a sync that asked for nothing and did nothing to them."""
    told = _told(database, [table for _, table in current], [state.sync_type for state, _ in current])
    return {**told, "api_requests": 0, "api_retries": 0, "seconds_rate_limited": 0.0}


def table_metadata(
    database: DatabaseExtract, metadata: dict[str, Any], asset_keys: AssetKeys, data_source: str, partition: str
) -> dict[str, Any]:
    """Of the asset of one table: what the partition says of it alone, and the way back to that partition."""
    found = {**metadata, "partition": partition_link(asset_keys, partition)}
    found.pop("dagster/partition_row_count", None)
    if data_source and data_source != database.title:
        found["data_source"] = data_source
    return found


def partitions_metadata(asset_keys: AssetKeys) -> dict[str, Any]:
    """Of the partitioned asset's definition: which title each key stands for, as far as the last sync knew."""
    if not asset_keys.tables:
        return {}
    rows = [
        f"| {markdown_link(table.title or 'Untitled', web_address(table.url))} | "
        f"{markdown_link(table.partition, partition_path(asset_keys, table.partition))} | "
        f"{asset_keys.source}.{markdown_text(table.name)} |"
        for table in sorted(asset_keys.tables, key=lambda table: (table.title, table.name))
        if table.in_sync and table.partition
    ]
    return {
        "partitions": dg.MetadataValue.md("\n".join(["| title | partition | table |", "| --- | --- | --- |", *rows]))
    }


def partition_link(asset_keys: AssetKeys, partition: str) -> dg.UrlMetadataValue:
    """The page of a database's partition, wherever the web server stands."""
    return dg.MetadataValue.url(partition_path(asset_keys, partition))


def partition_path(asset_keys: AssetKeys, partition: str) -> str:
    asset = "/".join(quote(part, safe="") for part in asset_keys.database.path)
    return f"/assets/{asset}?view=partitions&partition={quote(partition, safe='')}"


def _told(database: DatabaseExtract, tables: Sequence[LoadResult], sync_types: Sequence[str]) -> dict[str, Any]:
    # A read that was left over and the one after it land in the same table.
    by_table = {result.table: result for result in tables}
    # The page of a partition shows them in this order.
    found: dict[str, Any] = {"database_title": shown_line(database.title) or "Untitled"}
    if database.url:
        found["database_url"] = link(database.url)
    found |= {
        "dagster/table_name": ", ".join(by_table),
        "dagster/row_count": sum(result.row_count for result in by_table.values()),
        "dagster/partition_row_count": sum(result.row_count for result in by_table.values()),
        COLUMN_SCHEMA: column_schema(tables[-1].columns),
        "stream": database.stream,
        "sync_type": ", ".join(dict.fromkeys(sync_types)),
        **{name: sum(getattr(result, name) for result in tables) for name in _COUNTS},
        "bookmark": dg.MetadataValue.timestamp(min(result.bookmark for result in by_table.values())),
        "schema_changes": [change for result in tables for change in result.schema_changes],
    }
    full = [result.last_full_sync_at for result in by_table.values() if result.last_full_sync_at]
    if full:
        found["last_full_sync_at"] = dg.MetadataValue.timestamp(min(full))
    if len(by_table) > 1:
        for result in by_table.values():
            found[f"table {result.table}"] = dg.MetadataValue.md(_summary(result))
    return found


def _hidden(extract: Extract) -> list[str]:
    return [prop.name for prop in extract.schema.properties if prop.id in extract.hidden_relations]


def _unclear(extract: Extract) -> list[str]:
    names = {prop.id: prop.name for prop in extract.schema.properties}
    return [f"{names[key]}: {reason}" for key, reason in extract.unclear_relations.items() if key in names]


def column_schema(columns: Columns) -> dg.TableSchemaMetadataValue:
    return dg.MetadataValue.table_schema(
        dg.TableSchema(
            columns=[
                dg.TableColumn(shown(name), kind, description=shown(comment) if comment else comment)
                for name, kind, comment in columns
            ]
        )
    )


def _summary(landed: LoadResult) -> str:
    head = "| rows | read | inserted | updated | unchanged | removed |\n| --- | --- | --- | --- | --- | --- |\n"
    counts = [landed.row_count, *(getattr(landed, name) for name in _COUNTS[:5])]
    columns = "\n".join(
        f"| {markdown_text(name)} | {markdown_text(kind)} | {markdown_text(comment or '')} |"
        for name, kind, comment in landed.columns
    )
    return f"{head}| {' | '.join(map(str, counts))} |\n\n| column | type | property |\n| --- | --- | --- |\n{columns}"


def _partition_cell(stream: ListedStream, asset_keys: AssetKeys) -> str:
    """The stream's name; where it has a partition, as the way to it."""
    return f"[{stream.stream}]({partition_path(asset_keys, stream.partition)})" if stream.selected else stream.stream


def link(url: str) -> dg.MetadataValue[Any]:
    """An address of Notion's as Dagster links it; one that is not of the web stands as text."""
    return dg.MetadataValue.url(url) if web_address(url) else dg.MetadataValue.text(shown_line(url))


def source_code(maker: Callable[..., Any], project: Project) -> dict[str, Any]:
    """Code references of an asset: sources.yaml and our code. A package in an archive has no files to refer to."""
    code = inspect.unwrap(maker).__code__
    module = f"{maker.__module__.replace('.', '/')}.py"
    references = [
        dg.LocalFileCodeReference(file_path=str(path.resolve()), line_number=line, label=label)
        for path, line, label in (
            (project.sources_file, 1, project.sources_file.name),
            (Path(code.co_filename), code.co_firstlineno, module),
        )
        if path.is_file()
    ]
    if not references:
        return {}
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}
