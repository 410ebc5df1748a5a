"""Says so where a read that a worker on another machine began starts over, since what it kept is not here."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import orjson

from notion_pipeline.bucket import Bucket
from notion_pipeline.extraction.staging import Stage
from notion_pipeline.private_files import private_directory, write_private
from notion_pipeline.state.interface import State

#: A file in the folder of reads in progress by which machines tell whether they share it.
_MARK = ".folder"


def note_read(
    state: State,
    staging: Path,
    source: str,
    data_source_id: str,
    stage: Stage,
    *,
    bucket: Bucket | None,
    is_committed: Callable[[str], bool],
    say: Callable[[str], None],
) -> None:
    """Writes down where a read is kept, and says so where one before it was kept elsewhere and never committed.

    Nothing is written where processes share the state through a folder: they share the reads as well.

    Args:
        bucket: With copies of the reads, for whoever uses it too.
    """
    if not state.spans_machines or stage.resumed:
        return
    key, folder = f"reads/{source}/{data_source_id}.json", bucket.url if bucket is not None else _mark_of(staging)
    before = _parsed(state.read(key))
    if before and before[0] != folder and not is_committed(before[2]):
        say(
            f"a read that was begun on {before[1]} and not committed starts over: what it kept is in a folder of that "
            "machine. With `staging:` on a disk that all machines reach, or in a bucket, it would go on."
        )
    noted = {"folder": folder, "host": socket.gethostname(), "stage": stage.manifest.stage_id}
    state.write(key, orjson.dumps(noted))


def _mark_of(staging: Path) -> str:
    path = private_directory(staging) / _MARK
    if not path.exists():
        write_private(path, secrets.token_hex(8).encode())
    return path.read_text("ascii")


def _parsed(content: bytes | None) -> tuple[str, str, str] | None:
    try:
        found = orjson.loads(content or b"")
        return str(found["folder"]), str(found["host"]), str(found["stage"])
    except (ValueError, KeyError, TypeError):
        return None
