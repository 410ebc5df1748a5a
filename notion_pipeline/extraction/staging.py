"""Answers on disk until a read is whole, so that a sync that died goes on where it was.

A stage is a folder of immutable Arrow files, one an answer, and a manifest written by rename that names them and
says where the read goes on. A file that the manifest does not name does not exist; a kill between the two writes
costs one request. The stage's id is written to the catalog in the commit, so a stage is never committed twice.
Files are not flushed to the disk (no fsync): after a power cut their checksums tell which are damaged.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from notion_pipeline.errors import StagingError
from notion_pipeline.extraction.copied_stage import CopiedStage
from notion_pipeline.extraction.manifest import (
    MANIFEST,
    MAX_AGE,
    STAGED_FILE,
    Manifest,
    StagedFile,
    StageKey,
    new_manifest,
    read_manifest,
    reason_of_damage,
    reason_to_discard,
)
from notion_pipeline.extraction.stage_copies import StageCopies, StageCopy
from notion_pipeline.notion_ids import notion_id
from notion_pipeline.private_files import private_directory, write_private
from notion_pipeline.rows.arrow import arrow_array

#: Column with a row's place in its read: later answers have higher places.
PLACE = "_place"
#: What a stage's folder may hold: its files, its manifest, and either under its name before the rename.
_OURS = re.compile(rf"\.?({STAGED_FILE.pattern}|{re.escape(MANIFEST)})(\.[0-9a-f]+)?")
_IPC = pa.ipc.IpcWriteOptions(compression="lz4")


class Stage:
    """One read of one data source on disk. Callers hold the database's lock file while they use it."""

    def __init__(
        self, directory: Path, manifest: Manifest, *, resumed: bool = False, copy: StageCopy | None = None
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self._copy = copy
        self.resumed = resumed
        #: Whether an earlier run finished this read and did not get to commit it; not so one that this run finishes.
        self.resumed_complete = resumed and manifest.complete
        self._rows = sum(rows for _, rows, _, _ in manifest.files)
        self._numbers = count(1 + max((int(name.partition(".")[0]) for name, *_ in manifest.files), default=-1))

    @property
    def rows(self) -> int:
        """Rows staged so far; a row that was read twice counts twice."""
        return self._rows

    @property
    def started_at(self) -> datetime:
        return datetime.fromisoformat(self.manifest.started_at)

    @property
    def bookmark(self) -> datetime:
        return datetime.fromisoformat(self.manifest.bookmark)

    def not_after(self, moment: datetime) -> None:
        """Moves the bookmark back to the minute of this server's time, where it is later than that."""
        self.manifest.bookmark = min(self.bookmark, moment.replace(second=0, microsecond=0)).isoformat()

    def write(self, batch: pa.RecordBatch) -> StagedFile:
        """Keeps the rows of one answer; they count once `add` has named them and the manifest is saved.

        Several threads may write at once.

        Raises:
            StagingError: The disk is full or refuses.
        """
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, batch.schema, options=_IPC) as writer:
            writer.write_batch(batch)
        data = sink.getvalue().to_pybytes()
        name = f"{next(self._numbers):06d}.arrow"
        self._write(name, data)
        return name, batch.num_rows, len(data), zlib.crc32(data)

    def add(self, file: StagedFile) -> None:
        """Names a written file; its rows come after all that were named before."""
        self.manifest.files.append(file)
        self._rows += file[1]

    def record(self, progress: dict[str, Any], counts: dict[str, Any], *, complete: bool = False) -> bytes:
        """The manifest as of now, for `keep`: which files there are and where the read goes on after them."""
        self.manifest.progress = progress
        self.manifest.counts = counts
        self.manifest.complete = complete
        return orjson.dumps(self.manifest)

    def keep(self, record: bytes) -> None:
        """Writes a manifest: from here on a restart goes on from it.

        Raises:
            StagingError: The disk is full or refuses.
        """
        self._write(MANIFEST, record)
        if self._copy is not None:
            self._copy.changed(record)

    def reader(
        self, schema: pa.Schema, columns: Sequence[str] | None = None, places: Collection[int] | None = None
    ) -> pa.RecordBatchReader:
        """The staged rows in the order they were read, as a stream; memory holds one answer at a time.

        Args:
            columns: Names of the columns wanted; None gives all. The place of a row in the read follows as `_place`.
            places: Of the rows wanted; None gives all. Files without one of them are not opened.
        """
        wanted = [schema.get_field_index(name) for name in (columns or schema.names)]
        placed = pa.schema([*(schema.field(index) for index in wanted), pa.field(PLACE, pa.int64())])
        return pa.RecordBatchReader.from_batches(placed, self._batches(placed, wanted, places))

    def _batches(
        self, schema: pa.Schema, columns: list[int], wanted: Collection[int] | None
    ) -> Iterator[pa.RecordBatch]:
        options = pa.ipc.IpcReadOptions(included_fields=columns)
        first = 0
        for name, rows, *_ in self.manifest.files:
            places = [place for place in range(first, first + rows) if wanted is None or place in wanted]
            if places:
                with (
                    pa.memory_map(str(self.directory / name)) as file,
                    pa.ipc.open_file(file, options=options) as reader,
                ):
                    batch = reader.get_batch(0).select(schema.names[:-1])
                    if len(places) < rows:
                        batch = batch.take(arrow_array([place - first for place in places], pa.int64()))
                    yield pa.RecordBatch.from_arrays([*batch.columns, arrow_array(places, pa.int64())], schema=schema)
            first += rows

    def remove(self) -> None:
        """Forgets the stage, its copy too, and the folders above it that it leaves empty."""
        if self._copy is not None:
            self._copy.remove(self.manifest.stage_id)
        clear_stage(self.directory)
        for parent in list(self.directory.parents)[:2]:
            try:
                parent.rmdir()
            except OSError:
                return

    def _write(self, name: str, data: bytes) -> None:
        try:
            write_private(self.directory / name, data)
        except OSError as error:
            raise StagingError(
                f"What was read could not be kept in {self.directory}: {error.strerror or error}.",
                hint="Free some room or mend the folder's permissions (NOTION_PIPELINE_HOME, or "
                "NOTION_PIPELINE_STAGING), then sync again; the read goes on where it was.",
            ) from error


def stage_directory(staging: Path, source: str, database_id: str, data_source_id: str) -> Path:
    """Where the read of a data source is staged.

    Raises:
        InvalidIdError: One of the ids is none.
    """
    database, member = notion_id(database_id, "A database"), notion_id(data_source_id, "A data source")
    return staging / source / database / member


def left_over(
    staging: Path, source: str, database_id: str, data_source_id: str, now: datetime | None = None
) -> Manifest | None:
    """The manifest of a read that a died sync left, where it is not too old to go on with; nothing is changed.

    Raises:
        InvalidIdError: One of the ids is none.
    """
    found = read_manifest(stage_directory(staging, source, database_id, data_source_id))
    if not isinstance(found, Manifest):
        return None
    age = (now or datetime.now(timezone.utc)) - datetime.fromisoformat(found.started_at)
    return found if abs(age) <= MAX_AGE else None


def clear_stage(directory: Path) -> None:
    """Removes the files of a stage, and its folder; any other file stays, and the folder with it."""
    try:
        ours = [path for path in directory.iterdir() if _OURS.fullmatch(path.name)]
    except OSError:
        return
    with suppress(OSError):
        for path in ours:
            path.unlink()
        directory.rmdir()


def open_stage(
    directory: Path,
    key: StageKey,
    *,
    bookmark: datetime,
    properties: Sequence[str] = (),
    is_committed: Callable[[str], bool],
    log: Callable[[str], None],
    now: datetime | None = None,
    copies: StageCopies | None = None,
) -> Stage:
    """The stage a died sync left for the same read, here or as a copy in a bucket, or a new one.

    Of several the one that is furthest is taken.

    Args:
        bookmark: Server minute to note in a new stage; a resumed one keeps that of its first attempt.
        properties: Ids in the order of the columns of a new stage; a resumed one keeps its own.
        is_committed: Whether the catalog's history holds a stage id.
        log: Told why a stage that was found is not used.
        copies: Where other machines look for this read; None for nowhere.

    Raises:
        StagingError: The folder cannot be made or written.
    """
    now = now or datetime.now(timezone.utc)
    private_directory(directory)
    copy = copies.of(directory) if copies is not None else None
    local = read_manifest(directory)
    found: list[tuple[Manifest, CopiedStage | None]] = [(local, None)] if isinstance(local, Manifest) else []
    reasons = [local] if isinstance(local, str) and local else []
    for left in copy.found if copy is not None else ():
        if isinstance(left.manifest, Manifest):
            found.append((left.manifest, left))
        elif left.manifest:
            reasons.append(f"{left.place}: {left.manifest}")
    for manifest, copied in sorted(found, key=lambda one: one[0].rank, reverse=True):
        reason = reason_to_discard(manifest, key, now, is_committed)
        if reason is None and copied is not None:
            clear_stage(directory)
            reason = copied.fetch(private_directory(directory))
        reason = reason or reason_of_damage(directory, manifest)
        if reason is None:
            return Stage(directory, manifest, resumed=True, copy=copy)
        reasons.append(f"{copied.place}: {reason}" if copied is not None else reason)
    for reason in dict.fromkeys(reasons):
        log(f"Discarded the staged read of data source {key.data_source_id}: {reason}.")
    clear_stage(directory)
    private_directory(directory)
    manifest = new_manifest(key, bookmark=bookmark, properties=properties, now=now)
    return Stage(directory, manifest, copy=copy)
