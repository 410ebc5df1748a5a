"""Answers on disk until a read is whole, so that a sync that died goes on where it was.

A stage is a folder of immutable Arrow files, one an answer, and a manifest written by rename that names them and
says where the read goes on. A file that the manifest does not name does not exist; a kill between the two writes
costs one request. The stage's id is written to the catalog in the commit, so a stage is never committed twice.
Not written through to the platter: after a power cut the checks below discard what is damaged.
"""

from __future__ import annotations

import re
import uuid
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from notion_pipeline.errors import StagingError
from notion_pipeline.notion_ids import notion_id
from notion_pipeline.private_files import private_directory, write_private
from notion_pipeline.rows.arrow import arrow_array

MANIFEST = "manifest.json"
#: Of a row in its read: later answers have higher places.
PLACE = "_place"
FORMAT = 4
#: A stage older than this is read anew: Notion's rows have moved on too far for its catch-up to stay small.
MAX_AGE = timedelta(hours=20)
_FILE = re.compile(r"[0-9]{6,}\.arrow")
#: What a stage's folder may hold: its files, its manifest, and either on its way to its name.
_OURS = re.compile(rf"\.?({_FILE.pattern}|{re.escape(MANIFEST)})(\.[0-9a-f]+)?")
#: Name, rows, bytes and checksum.
StagedFile = tuple[str, int, int, int]
_IPC = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class StageKey:
    """What a stage was read for; a read for anything else starts anew.

    Attributes:
        sync_type: FULL_TABLE or INCREMENTAL, as the read is done.
        edited_since: ISO instant the read starts from, None for everything.
        start_date: ISO instant of the source's start_date, None where there is none.
        account: Whose eyes saw the rows.
        excluded: Marks of the properties left out, sorted; a stage does not even name them.
        fingerprint: The schema the rows were read under.
    """

    data_source_id: str
    sync_type: str
    edited_since: str | None
    start_date: str | None
    account: str
    excluded: tuple[str, ...]
    fingerprint: str


@dataclass
class Manifest:
    """The state of one read. Times are ISO 8601; `bookmark` is the server's clock, `started_at` the local one.

    `properties` are the ids that the staged columns stand for: a later answer may list them in another order.
    """

    stage_id: str
    key: dict[str, Any]
    started_at: str
    bookmark: str
    properties: list[str] = field(default_factory=list)
    files: list[StagedFile] = field(default_factory=list)
    progress: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    complete: bool = False
    format: int = FORMAT


class Stage:
    """One read of one data source on disk. Callers hold the database's lock file while they use it."""

    def __init__(self, directory: Path, manifest: Manifest, *, resumed: bool = False) -> None:
        self.directory = directory
        self.manifest = manifest
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
        """Forgets the stage, and the folders above it that it leaves empty."""
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
                hint="Free some room or mend the folder's permissions (NOTION_PIPELINE_HOME), then sync again; "
                "the read goes on where it was.",
            ) from error


def stage_directory(home: Path, source: str, database_id: str, data_source_id: str) -> Path:
    """Where the read of a data source is staged.

    Raises:
        InvalidIdError: One of the ids is none.
    """
    database, member = notion_id(database_id, "A database"), notion_id(data_source_id, "A data source")
    return home / "staging" / source / database / member


def clear_stage(directory: Path) -> None:
    """Removes the files of a stage, and its folder; whatever else stands there stays, and the folder with it."""
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
) -> Stage:
    """The stage a died sync left for the same read, or a new one.

    Args:
        bookmark: Server minute to note in a new stage; a resumed one keeps that of its first attempt.
        properties: Ids in the order of the columns of a new stage; a resumed one keeps its own.
        is_committed: Whether the catalog's history holds a stage id.
        log: Told why a stage that was found is not used.

    Raises:
        StagingError: The folder cannot be made or written.
    """
    now = now or datetime.now(timezone.utc)
    private_directory(directory)
    found = _read_manifest(directory)
    if isinstance(found, Manifest):
        reason = _refusal(directory, found, key, now, is_committed)
        if reason is None:
            return Stage(directory, found, resumed=True)
    else:
        reason = found
    if reason:
        log(f"Discarded the staged read of data source {key.data_source_id}: {reason}.")
    clear_stage(directory)
    private_directory(directory)
    manifest = Manifest(
        stage_id=str(uuid.uuid4()),
        key=_plain(key),
        started_at=now.isoformat(),
        bookmark=bookmark.isoformat(),
        properties=list(properties),
    )
    return Stage(directory, manifest)


def _plain(key: StageKey) -> dict[str, Any]:
    return {**asdict(key), "excluded": list(key.excluded)}


def _read_manifest(directory: Path) -> Manifest | str:
    """The manifest of a folder, or why there is none; an empty reason where the folder was empty."""
    try:
        raw = orjson.loads((directory / MANIFEST).read_bytes())
        manifest = Manifest(**{**raw, "files": [_staged_file(*entry) for entry in raw["files"]]})
        times = [datetime.fromisoformat(manifest.bookmark), datetime.fromisoformat(manifest.started_at)]
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return f"its manifest is damaged ({type(error).__name__})"
    parts = (manifest.key, manifest.progress, manifest.counts)
    if not all(isinstance(part, dict) for part in parts) or any(time.tzinfo is None for time in times):
        return "its manifest is damaged"
    return manifest if manifest.format == FORMAT else f"it has format {manifest.format}, this version writes {FORMAT}"


def _staged_file(name: str, rows: int, size: int, checksum: int) -> StagedFile:
    if not _FILE.fullmatch(name):
        raise ValueError(name)  # none that this module gave
    return name, int(rows), int(size), int(checksum)


def _refusal(
    directory: Path, manifest: Manifest, key: StageKey, now: datetime, is_committed: Callable[[str], bool]
) -> str | None:
    wanted = _plain(key)
    if manifest.complete and manifest.key.get("sync_type") == "FULL_TABLE":
        # Whole already, and more than an incremental read would bring: only its commit is wanting.
        del wanted["sync_type"], wanted["edited_since"]
    differing = [name for name, value in wanted.items() if manifest.key.get(name) != value]
    if differing:
        return f"it was read under another {', '.join(differing)}"
    if abs(now - datetime.fromisoformat(manifest.started_at)) > MAX_AGE:
        return f"it is older than {MAX_AGE.total_seconds() / 3600:.0f} hours"
    if is_committed(manifest.stage_id):
        return "it is in the catalog already"
    for name, _, size, checksum in manifest.files:
        try:
            data = (directory / name).read_bytes()
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if len(data) != size or zlib.crc32(data) != checksum:
            return f"{name} is damaged"
    return None
