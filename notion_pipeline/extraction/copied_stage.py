"""A copy of a stage in a bucket, as one process left it, and how it comes back into a folder.

Each process that works on a read writes under a name of its own, so that none changes what another wrote:
`<source>/<database>/<data source>/<name>/`. In it are packs, each with the files of some answers one after another, and
`manifest.json`, written after them, which names the packs and holds the stage's manifest. A pack that no manifest names
does not exist.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from notion_pipeline.bucket import Bucket
from notion_pipeline.errors import StagingError
from notion_pipeline.extraction.manifest import MANIFEST, Manifest, StagedFile, parse_manifest
from notion_pipeline.private_files import write_private

#: Bytes of a pack, unless a single file has more.
_PACK_BYTES = 16 << 20
_COPY_FORMAT = 1
#: Name of an object, and the files whose bytes it holds.
Pack = tuple[str, list[str]]


def packs_of(files: Sequence[StagedFile], most_bytes: int = _PACK_BYTES) -> Iterator[list[StagedFile]]:
    """The files in groups of which each becomes an object."""
    group: list[StagedFile] = []
    for file in files:
        if group and sum(size for _, _, size, _ in group) + file[2] > most_bytes:
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def copy_record(record: bytes, packs: Sequence[Pack]) -> bytes:
    """What `manifest.json` of a copy holds.

    Args:
        record: The stage's manifest as its folder has it.
    """
    return orjson.dumps({"format": _COPY_FORMAT, "packs": packs, "stage": orjson.Fragment(record)})


@dataclass(frozen=True)
class CopiedStage:
    """A copy that a process left.

    Attributes:
        folder: Its key in the bucket.
        keys: Of all its objects.
        manifest: Of the stage, or why it cannot be used; empty where its process did not live to write it.
    """

    bucket: Bucket
    folder: str
    keys: tuple[str, ...]
    manifest: Manifest | str
    packs: tuple[Pack, ...] = ()

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.bucket.url}/{self.folder}"

    @classmethod
    def read(cls, bucket: Bucket, folder: str, keys: Sequence[str]) -> CopiedStage:
        """The copy in this folder.

        Raises:
            StagingError: The bucket cannot be used.
        """
        record = bucket.get(f"{folder}/{MANIFEST}")
        manifest, packs = _parsed(record) if record is not None else ("", ())
        return cls(bucket, folder, tuple(keys), manifest, packs)

    def fetch(self, directory: Path) -> str | None:
        """Writes the stage into an empty folder; or says why it cannot be done, and the folder is to be cleared.

        Raises:
            StagingError: The folder cannot be written to.
        """
        assert isinstance(self.manifest, Manifest)  # noqa: S101 - for the type checker
        files = {file[0]: file for file in self.manifest.files}
        packed = [name for _, names in self.packs for name in names]
        if sorted(packed) != sorted(files):
            return "its packs are not those of its manifest"
        sizes = {name: sum(files[file][2] for file in names) for name, names in self.packs}
        for name, names in self.packs:
            try:
                data = self.bucket.get(f"{self.folder}/{name}")
            except StagingError as error:
                return error.message.rstrip(".")
            if data is None:
                return f"{name} is missing"
            if len(data) != sizes[name]:
                return f"{name} is damaged"
            if damaged := _write(directory, [files[file] for file in names], data):
                return f"{damaged} in {name} is damaged"
        return None


def _write(directory: Path, files: Sequence[StagedFile], data: bytes) -> str | None:
    """Writes the files of a pack; the name of one that is not as it was written."""
    begin = 0
    for name, _, size, checksum in files:
        part = data[begin : begin + size]
        if zlib.crc32(part) != checksum:
            return name
        try:
            write_private(directory / name, part)
        except OSError as error:
            raise StagingError(
                f"A read in progress could not be written to {directory}: {error.strerror or error}.",
                hint="Free some room or mend the folder's permissions (NOTION_PIPELINE_HOME), then sync again.",
            ) from error
        begin += size
    return None


def _parsed(record: bytes) -> tuple[Manifest | str, tuple[Pack, ...]]:
    try:
        raw: dict[str, Any] = orjson.loads(record)
        if raw["format"] != _COPY_FORMAT:
            return f"it has format {raw['format']}, this version writes {_COPY_FORMAT}", ()
        packs = tuple((_pack_name(name), [str(file) for file in files]) for name, files in raw["packs"])
        return parse_manifest(orjson.dumps(raw["stage"])), packs
    except (ValueError, TypeError, KeyError) as error:
        return f"its manifest is damaged ({type(error).__name__})", ()


def _pack_name(name: str) -> str:
    if not name.isdigit():
        raise ValueError(name)
    return name
