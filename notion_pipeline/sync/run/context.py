"""What one run is asked to do, and what the reads of its data sources have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from notion_pipeline.bucket import Bucket
from notion_pipeline.catalog.state import StreamState
from notion_pipeline.config.sources import Source
from notion_pipeline.errors import AuthorizationError
from notion_pipeline.extraction.read_counts import ArchivedSupport
from notion_pipeline.extraction.stage_copies import StageCopies
from notion_pipeline.extraction.windows.scheduler import SpareWorkers
from notion_pipeline.state.interface import State
from notion_pipeline.sync.run.pace import ExpectedReads
from notion_pipeline.sync.run.progress import Progress


@dataclass(frozen=True)
class SyncOptions:
    """What one run reads, and under which settings.

    Attributes:
        state: What the processes of the project share.
        staging: Folder of reads in progress.
        bucket: For copies of them that other machines go on with; None for none.
        forced: FULL_TABLE or INCREMENTAL instead of what sources.yaml says.
        skip: Data sources that an earlier attempt of this run committed.
        visible: Ids of all data sources that the last listing saw; a relation elsewhere is looked up.
        held_back: Why a database must not be read, by its id.
        expected: What the reads are expected to cost; None where that is not known.
    """

    source: Source
    account: str
    state: State
    staging: Path
    bucket: Bucket | None = None
    forced: str | None = None
    skip: frozenset[str] = frozenset()
    visible: frozenset[str] = frozenset()
    held_back: Mapping[str, str] = field(default_factory=dict)
    expected: ExpectedReads | None = None

    def open_copies(self, warn: Callable[[str], None]) -> StageCopies | None:
        """The copies of a run's stages; None where no bucket is named."""
        return StageCopies(self.bucket, self.staging, self.source.name, warn=warn) if self.bucket is not None else None


@dataclass
class RunContext:
    """What the reads of one run have in common and tell each other.

    Attributes:
        copies: Of reads in progress, in a bucket; None without one.
        is_committed: Whether the catalog's history holds a stage id.
        has_other_rows: Whether the table of a stream, which exists, holds rows whose ids this Arrow stream lacks.
        refused: Why Notion no longer takes the account's credential; no further request is made then.
        visible: Whether the connection sees a data source, by id, as far as it was found out.
        unclear: Why that could not be found out, by id.
    """

    options: SyncOptions
    progress: Progress
    log: Callable[[str], None]
    is_committed: Callable[[str], bool]
    has_other_rows: Callable[[StreamState, object], bool]
    copies: StageCopies | None = None
    archived: ArchivedSupport = field(default_factory=ArchivedSupport)
    spare_workers: SpareWorkers = field(default_factory=SpareWorkers)
    refused: AuthorizationError | None = None
    visible: dict[str, bool] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """Ends what was begun beside the reads."""
        if self.copies is not None:
            self.copies.close()
