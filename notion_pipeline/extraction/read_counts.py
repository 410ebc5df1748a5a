"""Counts what a read costs and what it meets beside rows, and logs the first of each kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from notion_pipeline.errors import NotionError, NotionRequestError
from notion_pipeline.extraction.read_progress import ReadProgress
from notion_pipeline.notion.request_stats import RequestStats
from notion_pipeline.outside import shown_line
from notion_pipeline.rows.properties import Property

CHILDREN_OF_A_WIKI = ("data_source", "database")


@dataclass
class ReadCounts:
    """What a read has cost and met so far; kept in the stage, so it covers all attempts.

    Attributes:
        other_objects: What the data source lists beside rows and the children of a wiki.
        values_refused: Values that Notion refused to give whole; their rows have the part that was shown.
        archived_refused: Why Notion does not give the archived rows, where it did not say that there are none.
    """

    api_requests: int = 0
    api_retries: int = 0
    seconds_rate_limited: float = 0.0
    child_data_sources: int = 0
    other_objects: int = 0
    vanished_rows: int = 0
    values_disagreeing: int = 0
    values_refused: int = 0
    archived_refused: str = ""


@dataclass
class ArchivedSupport:
    """Whether Notion takes `is_archived` from this account; one a run, so that it is asked and logged once."""

    supported: bool = True


class ReadNotes:
    """Counts what one read meets, and logs the first of each kind.

    Args:
        counts: Of the attempts before this one, as the manifest has them.
        progress: Its ids tell what was counted already.
    """

    def __init__(
        self,
        counts: dict[str, Any],
        progress: ReadProgress,
        archived: ArchivedSupport,
        log: Callable[[str], None],
    ) -> None:
        self.counts = ReadCounts(**counts)
        self._before = replace(self.counts)
        self._progress = progress
        self._archived = archived
        self._log = log
        self._told_refused: set[str] = set()
        self._told_types: set[str] = set()

    @property
    def archived_rows_exist(self) -> bool:
        """Whether Notion is asked for archived rows, as far as is known by now."""
        return self._archived.supported and not self.counts.archived_refused

    def no_archived_rows(self, error: NotionError) -> None:
        """Notion does not know `is_archived`."""
        if self._archived.supported:  # else another database of this run has said so
            self._log(
                f"This account's Notion has no archived rows to give ({error.message}); live rows alone are read."
            )
        self._archived.supported = False

    def archived_rows_refused(self, error: NotionError) -> None:
        """By this data source alone: it tells neither that there are none nor anything of another data source."""
        if not self.counts.archived_refused:
            self._log(
                f"Notion does not give the archived rows ({error.message}); live rows alone are read. Rows that the "
                "table has as archived stay."
            )
        self.counts.archived_refused = error.message

    def other_objects(self, found: Sequence[dict[str, Any]]) -> None:
        """Objects that are listed among the rows and are no rows."""
        for result in found:
            kind = str(result["object"])
            known = self._progress.children if kind in CHILDREN_OF_A_WIKI else self._progress.others
            known.add(result["id"])
            if kind not in self._told_types:
                self._told_types.add(kind)
                self._log(f'Among the rows are objects of the type "{shown_line(kind)}": they are counted, not loaded.')
        self.counts.child_data_sources = len(self._progress.children)
        self.counts.other_objects = len(self._progress.others)

    def values_refused(self, refused: Sequence[tuple[Property, NotionRequestError]]) -> None:
        """Values that Notion refused to give whole."""
        self.counts.values_refused += len(refused)
        for prop, error in refused:
            if prop.id not in self._told_refused:
                self._told_refused.add(prop.id)
                self._log(
                    f'Notion does not give all of property "{prop.name}" in some rows ({error.message}); these rows '
                    "are loaded with the part of it that a query shows, and asked for again when they are read again."
                )

    def as_json(self, stats: RequestStats) -> dict[str, Any]:
        """For the manifest: all counts, with what this attempt's requests cost so far."""
        self.counts.api_requests = self._before.api_requests + stats.requests
        self.counts.api_retries = self._before.api_retries + stats.retries
        self.counts.seconds_rate_limited = self._before.seconds_rate_limited + stats.seconds_rate_limited
        return asdict(self.counts)
