"""Who hears how far a sync is: the run's log under Dagster, the bars of the command line there."""

from collections.abc import Callable

import dagster as dg

from notion_pipeline.progress import LogProgress, Progress


class ProgressResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Progress as lines in the run's log."""

    every_seconds: float = 5.0

    def progress(self, log: Callable[[str], None]) -> Progress:
        return LogProgress(log, every_seconds=self.every_seconds)
