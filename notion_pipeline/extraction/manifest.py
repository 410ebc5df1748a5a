"""The manifest of a stage: what the read was for, which files it has, and whether a later run may go on with it."""

from __future__ import annotations

import re
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

MANIFEST = "manifest.json"
FORMAT = 4
#: A stage older than this is read anew: Notion's rows have moved on too far for its catch-up to stay small.
MAX_AGE = timedelta(hours=20)
STAGED_FILE = re.compile(r"[0-9]{6,}\.arrow")
#: Name, rows, bytes and checksum.
StagedFile = tuple[str, int, int, int]


@dataclass(frozen=True)
class StageKey:
    """What a stage was read for; a read for anything else starts anew.

    Attributes:
        sync_type: FULL_TABLE or INCREMENTAL, as the read is done.
        edited_since: ISO instant the read starts from, None for everything.
        start_date: ISO instant of the source's start_date, None where there is none.
        account: Account used for the read.
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

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "excluded": list(self.excluded)}


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

    @property
    def rank(self) -> tuple[datetime, int, bool, int]:
        """Higher where more of the read is done: of a later read, by more processes, whole, with more answers."""
        attempt = self.progress.get("attempt", 1)
        started_at = datetime.fromisoformat(self.started_at)
        return started_at, attempt if isinstance(attempt, int) else 1, self.complete, len(self.files)


def new_manifest(key: StageKey, *, bookmark: datetime, properties: Sequence[str], now: datetime) -> Manifest:
    """The manifest of a read that begins now."""
    return Manifest(
        stage_id=str(uuid.uuid4()),
        key=key.as_json(),
        started_at=now.isoformat(),
        bookmark=bookmark.isoformat(),
        properties=list(properties),
    )


def read_manifest(directory: Path) -> Manifest | str:
    """The manifest of a folder, or why there is none; an empty reason where the folder was empty."""
    try:
        return parse_manifest((directory / MANIFEST).read_bytes())
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"its manifest is damaged ({type(error).__name__})"


def parse_manifest(record: bytes) -> Manifest | str:
    """A manifest as it is written, or why it is none."""
    try:
        raw = orjson.loads(record)
        manifest = Manifest(**{**raw, "files": [_staged_file(*entry) for entry in raw["files"]]})
        times = [datetime.fromisoformat(manifest.bookmark), datetime.fromisoformat(manifest.started_at)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return f"its manifest is damaged ({type(error).__name__})"
    parts = (manifest.key, manifest.progress, manifest.counts)
    if not all(isinstance(part, dict) for part in parts) or any(time.tzinfo is None for time in times):
        return "its manifest is damaged"
    return manifest if manifest.format == FORMAT else f"it has format {manifest.format}, this version writes {FORMAT}"


def _staged_file(name: str, rows: int, size: int, checksum: int) -> StagedFile:
    if not STAGED_FILE.fullmatch(name):
        raise ValueError(name)  # no name that a stage gives
    return name, int(rows), int(size), int(checksum)


def reason_to_discard(
    manifest: Manifest, key: StageKey, now: datetime, is_committed: Callable[[str], bool]
) -> str | None:
    """Why a read for `key` must not go on with the stage of this manifest; None where it may.

    Whether its files are whole is `reason_of_damage`.
    """
    wanted = key.as_json()
    if manifest.complete and manifest.key.get("sync_type") == "FULL_TABLE":
        # Already whole, and more than an incremental read would bring: it only has to be committed.
        del wanted["sync_type"], wanted["edited_since"]
    differing = [name for name, value in wanted.items() if manifest.key.get(name) != value]
    if differing:
        return f"it was read under another {', '.join(differing)}"
    if abs(now - datetime.fromisoformat(manifest.started_at)) > MAX_AGE:
        return f"it is older than {MAX_AGE.total_seconds() / 3600:.0f} hours"
    if is_committed(manifest.stage_id):
        return "it is in the catalog already"
    return None


def reason_of_damage(directory: Path, manifest: Manifest) -> str | None:
    """Which file of the stage in this folder is missing or not as it was written; None where all are whole."""
    for name, _, size, checksum in manifest.files:
        try:
            data = (directory / name).read_bytes()
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        if len(data) != size or zlib.crc32(data) != checksum:
            return f"{name} is damaged"
    return None
