"""Copies of the stages of one run in a bucket, for other machines to go on with; written behind the reads.

A thread uploads every few seconds what reads have staged since: what a killed process loses is the answers of those
seconds. A bucket that is away is said once and asked again a minute later; the reads go on meanwhile.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from notion_pipeline.bucket import Bucket
from notion_pipeline.errors import StagingError
from notion_pipeline.extraction.copied_stage import CopiedStage, Pack, copy_record, packs_of
from notion_pipeline.extraction.manifest import MANIFEST, MAX_AGE, Manifest, parse_manifest

#: How long a read goes on before its new answers are uploaded.
UPLOAD_SECONDS = 3.0
#: After a failure the bucket is left alone for this long.
_AWAY_SECONDS = 60.0
#: What the end of a run waits for the last uploads.
_CLOSE_SECONDS = 30.0
#: Nobody goes on with a copy that was last written so long ago, by any clock.
_FORGOTTEN = 2 * MAX_AGE


class StageCopies:
    """The copies of one source's stages in a bucket.

    Args:
        folder: Of the stages; a copy's key is the path of its stage in it.
        source: Name of the source.
        warn: Told once that the bucket is away.
        seconds: How long a read goes on before its new answers are uploaded.
        keep_for: How long a copy is kept that nobody asks for.
    """

    def __init__(
        self,
        bucket: Bucket,
        folder: Path,
        source: str,
        *,
        warn: Callable[[str], None],
        seconds: float = UPLOAD_SECONDS,
        keep_for: timedelta = _FORGOTTEN,
    ) -> None:
        self._bucket = bucket
        self._folder = folder
        self._source = source
        self._warn = warn
        self._seconds = seconds
        self._keep_for = keep_for
        self._copies: set[StageCopy] = set()
        self._removed: set[str] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._away_until = 0.0
        self._has_warned = False

    def of(self, directory: Path) -> StageCopy:
        """The copy of the stage in a folder, with what other processes left of it. Its database's lock is held."""
        place = directory.relative_to(self._folder).as_posix()
        copy = StageCopy(self, self._bucket, directory, f"{place}/{secrets.token_hex(8)}")
        with self.asking() as may_ask:
            if may_ask:
                copy.look(place)
        return copy

    def start(self, copy: StageCopy) -> None:
        """Has what a copy lacks, or is to lose, uploaded and removed in the thread."""
        with self._lock:
            self._copies.add(copy)
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._work, name="notion-staging", daemon=True)
                self._thread.start()
        if self._closing.is_set():
            self._round(everything=True)

    def forget(self, stage_id: str) -> None:
        """Takes note of a stage that must not be gone on with: it is loaded, or was given up."""
        with self._lock:
            self._removed.add(stage_id)

    def is_forgotten(self, stage_id: str) -> bool:
        with self._lock:
            return stage_id in self._removed

    def close(self) -> None:
        """Uploads what is left of reads that are not committed, and removes the copies of those that are."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    @contextmanager
    def asking(self) -> Iterator[bool]:
        """Whether the bucket may be asked now; a failure of it in the block is said once, and ends there."""
        try:
            yield time.monotonic() >= self._away_until
        except Exception as error:  # whatever it is: the reads do not depend on it
            with self._lock:
                self._away_until = time.monotonic() + _AWAY_SECONDS
                tells, self._has_warned = not self._has_warned, True
            if tells:
                reason, hint = (
                    (error.message, error.hint)
                    if isinstance(error, StagingError)
                    else (f"{type(error).__name__}: {error}.", "")
                )
                self._warn(
                    f'Source "{self._source}": reads in progress are not kept in {self._bucket.url} for now, and '
                    f"go on without: one whose worker dies starts over on another machine. {reason} {hint} "
                    "`notion-pipeline check` tries it.".replace("  ", " ")
                )

    def _work(self) -> None:
        with self.asking() as may_ask:
            if may_ask:
                self._remove_forgotten()
        while not self._closing.wait(self._seconds / 3):
            self._round()
        self._round(everything=True)

    def _round(self, *, everything: bool = False) -> None:
        with self._lock:
            copies = list(self._copies)
        for copy in copies:
            with self.asking() as may_ask:
                if may_ask and copy.work(self._seconds, everything=everything):
                    with self._lock:
                        self._copies.discard(copy)

    def _remove_forgotten(self) -> None:
        """Removes copies of the source that nobody will ever look at: of databases that are read no more."""
        written: dict[str, datetime] = {}
        found = self._bucket.list(self._source)
        for entry in found:
            folder = entry.key.rpartition("/")[0]
            written[folder] = max(written.get(folder, entry.modified), entry.modified)
        old = datetime.now(timezone.utc) - self._keep_for
        self._bucket.remove([entry.key for entry in found if written[entry.key.rpartition("/")[0]] < old])


class StageCopy:
    """The copy of one stage, written by this process alone.

    Attributes:
        found: What other processes left of reads of the data source.
    """

    def __init__(self, copies: StageCopies, bucket: Bucket, directory: Path, folder: str) -> None:
        self.found: tuple[CopiedStage, ...] = ()
        self._copies = copies
        self._bucket = bucket
        self._directory = directory
        self._folder = folder
        self._lock = threading.Lock()
        self._working = threading.Lock()
        self._record: bytes | None = None
        self._since = 0.0
        self._packs: list[Pack] = []
        self._written: list[str] = []
        self._removed = threading.Event()

    def look(self, place: str) -> None:
        """Finds what other processes left.

        Raises:
            StagingError: The bucket cannot be used.
        """
        folders: dict[str, list[str]] = defaultdict(list)
        for entry in self._bucket.list(place):
            folders[entry.key.rpartition("/")[0]].append(entry.key)
        copied = [CopiedStage.read(self._bucket, folder, keys) for folder, keys in folders.items()]
        self.found = tuple(found for found in copied if not self._is_over(found))

    def _is_over(self, found: CopiedStage) -> bool:
        return isinstance(found.manifest, Manifest) and self._copies.is_forgotten(found.manifest.stage_id)

    def changed(self, record: bytes) -> None:
        """Has the stage as this manifest tells it uploaded before long."""
        with self._lock:
            if self._record is None:
                self._since = time.monotonic()
            self._record = record
        self._copies.start(self)

    def remove(self, stage_id: str) -> None:
        """Has the copy removed, and those that other processes left."""
        with self._lock:
            self._removed.set()
            self._record = None
        self._copies.forget(stage_id)
        self._copies.start(self)

    def work(self, seconds: float, *, everything: bool) -> bool:
        """Uploads what changed for so long, or removes what is there; whether nothing is ever left to do.

        Raises:
            OSError: A file of the stage cannot be read.
            StagingError: The bucket cannot be used.
        """
        with self._working:
            if self._removed.is_set():
                return self._remove()
            with self._lock:
                record = self._record
                if record is None or not (everything or time.monotonic() - self._since >= seconds):
                    return False
                self._record = None
            try:
                self._upload(record)
            except Exception:
                with self._lock:
                    if not self._removed.is_set():
                        self._record = self._record or record
                        raise
                # Its files went while they were read.
            return self._removed.is_set() and self._remove()

    def _remove(self) -> bool:
        self._bucket.remove([*self._written, *(key for found in self.found for key in found.keys)])
        return True

    def _upload(self, record: bytes) -> None:
        """Writes what the manifest names and no pack has, then the manifest; then what it replaces goes."""
        manifest = parse_manifest(record)
        assert isinstance(manifest, Manifest)  # noqa: S101 - this process wrote it
        packed = {name for _, names in self._packs for name in names}
        for group in packs_of([file for file in manifest.files if file[0] not in packed]):
            data = b"".join((self._directory / name).read_bytes() for name, *_ in group)
            pack = f"{len(self._packs):06d}"
            self._put(pack, data)
            self._packs.append((pack, [name for name, *_ in group]))
        self._put(MANIFEST, copy_record(record, self._packs))
        if self.found:
            self._bucket.remove([key for found in self.found for key in found.keys])
            self.found = ()

    def _put(self, name: str, data: bytes) -> None:
        key = f"{self._folder}/{name}"
        if key not in self._written:
            self._written.append(key)
        self._bucket.put(key, data)
