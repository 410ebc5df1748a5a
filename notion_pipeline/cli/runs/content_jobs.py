"""Runs the content jobs of a project in this process, through its Dagster instance, with progress on standard error.

A line of the run's log says every few seconds how far it has come; a terminal shows the last one beside a spinner.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterInstance
from rich.console import Console
from rich.status import Status
from rich.text import Text

from notion_pipeline.catalog.read.table_index import load_tables
from notion_pipeline.cli.runs.sync_jobs import COMMAND_LINE, LAUNCHED_BY, failures_of, terminal_logger
from notion_pipeline.cli.terminal import title_of
from notion_pipeline.config.sources import Sources
from notion_pipeline.defs.asset_keys import AssetKeys
from notion_pipeline.defs.build import build_definitions
from notion_pipeline.project import Project

_ASSETS = ("content", "users", "pages", "comments", "files")


@dataclass(frozen=True)
class DatabaseContent:
    """What a run committed of one database's pages, in the numbers of its materialization."""

    source: str
    title: str
    counts: Mapping[str, int]

    def count(self, name: str) -> int:
        return self.counts.get(name, 0)


@dataclass(frozen=True)
class ContentOutcome:
    """What one run of content did.

    Attributes:
        databases: Those whose pages were read without a failure.
        totals: The numbers of each asset beside them, by its name: content, users, pages, comments, files.
        failures: Why the run failed, in words for the user.
        interrupted: Somebody ended the process; what was committed is kept.
    """

    source: str
    success: bool
    interrupted: bool
    databases: Sequence[DatabaseContent] = ()
    totals: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


class ContentProgress:
    """The run's log on a console, from entering to leaving it.

    Args:
        verbose: Dagster's own events are shown too.
    """

    def __init__(self, console: Console, source: str, *, verbose: bool) -> None:
        self._console = console
        self._source = source
        self._threshold = logging.DEBUG if verbose else logging.INFO
        self._status: Status | None = None
        self._stack = ExitStack()

    def __enter__(self) -> ContentProgress:
        if self._console.is_terminal:
            self._status = self._stack.enter_context(self._console.status(self._line("reading content")))
        else:
            self._print(self._line("reading content"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def say(self, level: int, message: str) -> None:
        """Shows a line of the log: on a terminal a line replaces the one before, unless it is a warning."""
        if level < self._threshold:
            return
        if level == logging.INFO and self._status is not None:
            self._status.update(self._line(message))
        elif level == logging.INFO:
            self._print(self._line(message))
        else:
            self._print(Text(f"{logging.getLevelName(level).lower()}: {message}"))

    def _line(self, message: str) -> Text:
        return Text(f"{self._source}: {message}")

    def _print(self, line: Text) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)


def run_content(
    project: Project,
    sources: Sources,
    instance: DagsterInstance,
    source: str,
    *,
    streams: Sequence[str] = (),
    progress: ContentProgress,
) -> ContentOutcome:
    """One run of `S_content`.

    Args:
        streams: Databases whose pages are read, and nothing beside them; empty is all that the job reads.
    """
    config: dict[str, Any] = {"loggers": {"console": {}}}
    if streams:
        config["ops"] = {f"{source}__content": {"config": {"databases": list(streams)}}}
    definitions = dg.Definitions.merge(
        build_definitions(project, sources),
        dg.Definitions(loggers={"console": terminal_logger(progress.say)}),
    )
    asset_keys = AssetKeys(source, tuple(load_tables(sources.open_state(project), source)))
    result = definitions.resolve_job_def(f"{source}_content").execute_in_process(
        run_config=config,
        instance=instance,
        tags={LAUNCHED_BY: COMMAND_LINE},
        asset_selection=[asset_keys.key(asset_keys.free_name("content"))] if streams else None,
        raise_on_error=False,
    )
    records = instance.get_records_for_run(result.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION).records
    events = [record.asset_materialization for record in records if record.asset_materialization]
    names = {asset_keys.key(asset_keys.free_name(name)): name for name in _ASSETS}
    totals = {names[event.asset_key]: _counts(event) for event in events if event.asset_key in names}
    failures, interrupted = failures_of(result)
    databases = [_database(source, event) for event in events if event.partition and "pages_due" in event.metadata]
    return ContentOutcome(source, result.success, interrupted, databases, totals, failures)


def _database(source: str, event: dg.AssetMaterialization) -> DatabaseContent:
    title = event.metadata.get("database_title")
    return DatabaseContent(source, title_of(str(title.value) if title else ""), _counts(event))


def _counts(event: dg.AssetMaterialization) -> dict[str, int]:
    return {name: entry.value for name, entry in event.metadata.items() if isinstance(entry.value, int)}
