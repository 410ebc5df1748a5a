"""`notion-pipeline check`: whether a sync would work, with a line for each thing that it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import duckdb
from rich.console import Console
from rich.text import Text

from notion_pipeline.catalog.connection.duckdb_file import check_catalog_name
from notion_pipeline.catalog.listing.resolved import known_names, resolution_of_catalog
from notion_pipeline.catalog.listing.table_names import table_name_notes
from notion_pipeline.catalog.load.limits import limits_told
from notion_pipeline.catalog.read.gone import GoneDatabase, gone_databases
from notion_pipeline.catalog.read.overview import archived_rows_refused, catalog_streams
from notion_pipeline.catalog.upkeep.leftovers import SourceInCatalog, source_in, sources_in
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.access_report import (
    access_report,
    account_text,
    findings,
    identity,
    mistakes,
    named_in_vain,
    unseen,
)
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.content_cost import content_note
from notion_pipeline.cli.places import check_writable, open_to_others
from notion_pipeline.cli.terminal import messages, output
from notion_pipeline.config.source_files import sources_with_files
from notion_pipeline.config.sources import KnownNames, Source, Sources, load_sources
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.listing.databases import hold_back
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.listing.resolution import fails_a_sync, nothing_selected
from notion_pipeline.private_files import private_directory
from notion_pipeline.project import Project, find_project
from notion_pipeline.rows.naming import NamedDatabase

ANSWER_SECONDS = 60.0
_LABELS = {True: ("ok", "green"), False: ("FAIL", "bold red"), None: ("-", "dim")}


@dataclass
class Line:
    """The result of one check.

    Attributes:
        passed: None where it could not be made, since one before it failed.
        notes: What is worth knowing and fails nothing.
    """

    name: str
    passed: bool | None
    text: str
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Known:
    """What the catalog knows of a source.

    Attributes:
        databases: Of the listings so far, by id.
        names: What the names in sources.yaml were found to mean.
        gone: Those that are not seen any more.
    """

    databases: Mapping[str, KnownDatabase] = field(default_factory=dict)
    names: KnownNames = field(default_factory=KnownNames)
    gone: tuple[GoneDatabase, ...] = ()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--source", metavar="NAME", help="Only this source of sources.yaml.")
def check(*, source: str | None) -> None:
    """Check config, credentials, access and catalog; nothing is changed.

    A line each, for credentials and access one a source. Exit code 1 when one fails. Below access are databases
    that only one of search, sources.yaml and catalog knows of or that are not seen any more, relations that look empty
    since their target is not shared, and what sources.yaml names and nothing matches. A database that sources.yaml
    names and that is not shared any more, or in the trash, fails. Below catalog are sources that sources.yaml has
    no more and that left tables or state. Where `staging:` is a bucket, an object is written there and removed.
    """
    project = find_project()
    console = output(10_000)
    failed = total = 0
    for line in _lines(project, source):
        _print(console, line)
        total += line.passed is not None
        failed += line.passed is False
    if failed:
        raise CommandError(f"{failed} of {total} checks failed.")


def _print(console: Console, line: Line) -> None:
    label, style = _LABELS[line.passed]
    console.print(Text.assemble((f"{label:<5}", style), f"{line.name:<12} ", line.text), soft_wrap=True)
    for note in line.notes:
        console.print(Text(f"     {'':<12} note: {note}", style="yellow"), soft_wrap=True)


def _lines(project: Project, wanted: str | None) -> Iterator[Line]:
    """The checks, each when the one before is done."""
    config, sources = _config(project, wanted)
    yield config
    if sources is None:
        for name in ("credentials", "access", "catalog"):
            yield Line(name, None, "not checked: the config comes first")
        return
    chosen = [sources.source(wanted)] if wanted else list(sources.sources)
    catalog, known = _catalog(project, sources)
    for source in chosen:
        credentials = _credentials(source, project)
        yield credentials
        yield _access(source, project, known.get(source.name, _Known()), credentials)
    yield catalog
    if (bucket := _bucket(project, sources)) is not None:
        yield bucket


def _config(project: Project, wanted: str | None) -> tuple[Line, Sources | None]:
    line = Line("config", True, "")
    sources: Sources | None = None
    with _as_failure(line):
        sources = load_sources(project)
        if wanted:
            sources.source(wanted)
        check_catalog_name(sources.catalog_location(project), [source.name for source in sources.sources])
        private_directory(project.home)
        sources.open_state(project).now()  # where it is a server, it answers
        names = ", ".join(source.name for source in sources.sources)
        file = project.sources_label if project.sources_file.exists() else f"no {project.sources_label}, so by default"
        line.text = f"{file}: {'source' if len(sources.sources) == 1 else 'sources'} {names}"
        line.notes += open_to_others(project)
        publish = sources.publish_path(project)
        if publish is not None and not publish.parent.is_dir():
            line.notes.append(f"publish: the folder of {publish} does not exist; runs would fail at their end.")
    return line, sources if line.passed else None


def _credentials(source: Source, project: Project) -> Line:
    line = Line("credentials", True, "")
    with _as_failure(line, source.name):
        found = asyncio.run(identity(source, project, seconds=ANSWER_SECONDS))
        bot = f' as "{found.bot}"' if found.bot else ""
        line.text = f"{source.name}: {account_text(source)}, {found}{bot}"
    return line


def _access(
    source: Source,
    project: Project,
    before: _Known,
    credentials: Line,
) -> Line:
    line = Line("access", None, f"{source.name}: not checked without credentials")
    if not credentials.passed:
        return line
    line.passed = True
    with _as_failure(line, source.name):
        with messages().status(f"{source.name}: listing the databases"):
            report = asyncio.run(access_report(source, project, before.databases, before.names))
        bound = report.resolution.source
        known = {key: database for key, database in before.databases.items() if database.accessible}
        titles = [(database.id, database.title) for database in report.listing.databases]
        problems = bound.ambiguous_streams(titles, file=project.sources_label)
        selected = sum(bound.selects(*title) for title in titles)
        line.text = f"{source.name}: {_count(len(titles), 'database')} can be seen, {selected:,} selected"
        wrong = mistakes(report)
        report = replace(report, listing=hold_back(report.listing, problems, known))
        missing = unseen(report, known, before.gone, source.named_ids())
        in_vain = named_in_vain(report, missing)
        told = {database.id for database in in_vain}
        failures = [failure for failure in report.listing.failures if failure.id not in told]
        reasons = [str(failure.error) for failure in failures if fails_a_sync(bound, failure)]
        reasons += [str(report.listing.search_error)] if report.listing.search_error else []
        if in_vain:
            reasons.append(
                f"{source.name}: {project.sources_label} names what is not seen any more: "
                f"{'; '.join(database.describe() for database in in_vain)}. Share it with the connection again, or "
                "restore it in Notion, or take it out of select and streams."
            )
        if not selected and not reasons and (problem := nothing_selected(report.resolution, len(titles))):
            wrong.insert(0, problem)
        if reasons:
            line.text = " ".join(f"{line.text}. {' '.join(dict.fromkeys(reasons))}".split())
        line.passed = not reasons and not wrong
        line.notes += dict.fromkeys(wrong)
        line.notes += findings(report, known, [database for database in missing if database not in in_vain])
        line.notes += [str(failure.error) for failure in failures if not fails_a_sync(bound, failure)]
    return line


def _catalog(project: Project, sources: Sources) -> tuple[Line, dict[str, _Known]]:
    """The line of the catalog, and what it knows of each source."""
    location = sources.catalog_location(project)
    line = Line("catalog", True, "")
    known: dict[str, _Known] = {}
    with _as_failure(line):
        if isinstance(location, Path):
            check_writable(location)
        catalog = open_catalog(project, sources)
        with catalog.reading() as connection:
            if connection is None:
                line.text = f"{location}: not there yet; the first sync makes it"
                return line, known
            tables = rows = 0
            for source in sources.sources:
                resolution, databases = resolution_of_catalog(connection, source)
                names = known_names(connection, source.name)
                known[source.name] = _Known(databases, names, tuple(gone_databases(connection, source.name)))
                table_for = resolution.source.table_for
                named = [
                    NamedDatabase(found.id, found.title, found.data_sources, table_for(found.id, found.title))
                    for found in databases.values()
                    if found.accessible
                ]
                line.notes += table_name_notes(connection, source, named)
                for stream in catalog_streams(connection, source.name) or []:
                    synced = [table for table in stream.tables if table.last_sync_at]
                    tables += sum(table.rows is not None for table in synced)
                    rows += stream.rows or 0
                    line.notes += [
                        f"The table {source.name}.{table.table} is gone; the next sync makes it again."
                        for table in synced
                        if table.rows is None
                    ]
                line.notes += limits_told(connection, source.name)
                line.notes += content_note(connection, resolution.source, databases)
                line.notes += archived_rows_refused(connection, source.name)
            left = sources_in(connection) | sources_with_files(
                sources.open_state(project), sources.staging_path(project)
            )
            line.notes += [
                _left_over(source_in(connection, name))
                for name in sorted(left - {source.name for source in sources.sources})
            ]
        line.text = f"{location}: {_count(tables, 'table')}, {_count(rows, 'row')}, DuckDB {duckdb.__version__}"
    return line, known


def _bucket(project: Project, sources: Sources) -> Line | None:
    """The line of the bucket with copies of reads in progress; None where `staging:` names none."""
    line = Line("staging", True, "")
    with _as_failure(line):
        if (bucket := sources.staging_bucket(project)) is None:
            return None
        bucket.try_out()
        line.text = f"{bucket.url}: objects can be listed, written, read and removed"
    return line


def _left_over(found: SourceInCatalog) -> str:
    name = found.source
    parts = [
        _count(len(found.tables) + len(found.shared), "table") if found.tables or found.shared else "",
        _count(len(found.views), "flat view") if found.views else "",
        "state",
    ]
    return (
        f"Source {name} is not in sources.yaml any more, and has left {', '.join(filter(None, parts))}: "
        f"`notion-pipeline remove-source {name}` removes it, `notion-pipeline rename-source {name} NEW` gives it to "
        "the source's new name."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@contextmanager
def _as_failure(line: Line, source: str = "") -> Iterator[None]:
    """A check that raises has failed, with the error's message as its line."""
    try:
        yield
    except NotionPipelineError as error:
        line.passed = False
        named = error.source is None and bool(source)
        line.text = " ".join(f"{f'{source}: ' if named else ''}{error}".split())
