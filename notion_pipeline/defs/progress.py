"""Who hears how far a sync is: the run's log under Dagster, the bars of the command line there."""

from collections.abc import Callable
from typing import Protocol

import dagster as dg

from notion_pipeline.extraction.progress import LogProgress, Progress


class TellsProgress(Protocol):
    """What the resource `notion_progress` must do; the command line puts a plain object in its place."""

    def progress(self, log: Callable[[str], None]) -> Progress: ...


class ProgressResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Progress as lines in the run's log."""

    every_seconds: float = 5.0

    def progress(self, log: Callable[[str], None]) -> Progress:
        return LogProgress(log, every_seconds=self.every_seconds)
