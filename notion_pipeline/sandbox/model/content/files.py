"""Hosted files: their bytes, kept or made up. A made-up file may be of any size: no more than a piece is in memory."""

from __future__ import annotations

import hashlib
import mimetypes
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

_PIECE = 1 << 16


@dataclass(frozen=True, eq=False)
class HostedFile:
    """One upload.

    Attributes:
        content: Its bytes; None where they follow from the id.
    """

    id: str
    name: str
    size: int
    content_type: str
    uploaded_at: datetime
    content: bytes | None = None

    @property
    def entry(self) -> dict[str, Any]:
        """The file as a value of a files property, an icon or a cover."""
        return {"name": self.name, "hosted": self}

    @cached_property
    def etag(self) -> str:
        facts = self.content if self.content is not None else f"{self.id}:{self.size}".encode()
        return f'"{hashlib.blake2s(facts, digest_size=16).hexdigest()}"'

    def read(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to and without `end`, in pieces."""
        stop = self.size if end is None else min(end, self.size)
        while start < stop:
            piece = start // _PIECE
            until = min((piece + 1) * _PIECE, stop)
            yield self._piece(piece)[start - piece * _PIECE : until - piece * _PIECE]
            start = until

    def _piece(self, number: int) -> bytes:
        if self.content is not None:
            return self.content[number * _PIECE : (number + 1) * _PIECE]
        return hashlib.shake_256(f"{self.id}:{number}".encode()).digest(_PIECE)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.read():
            digest.update(piece)
        return digest.hexdigest()


def content_type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def file_of_name(workspace_id: str, name: str, now: datetime) -> HostedFile:
    """A file of a few thousand bytes; id, size and bytes follow from its name."""
    file_id = uuid.uuid5(uuid.UUID(workspace_id), name)
    return HostedFile(str(file_id), name.rpartition("/")[2], 1_000 + file_id.int % 4_000, content_type_of(name), now)
