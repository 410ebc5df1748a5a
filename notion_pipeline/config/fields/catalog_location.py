"""Where the catalog is: a DuckDB file, or a DuckLake whose tables lie in a folder or a bucket.

A lake is written as DuckDB's ATTACH takes it: `ducklake:postgres:dbname=lake host=db user=notion`, with a connection
string of libpq or its address, or `ducklake:<file>` for trying it on one machine. What is secret comes from the
environment: PGPASSWORD or PGPASSFILE, and the variables AWS_… for S3.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from notion_pipeline.config.fields.values import check_path, check_storage
from notion_pipeline.messages import quoted

LAKE = "ducklake:"
S3 = "s3://"
_POSTGRES = "postgres:"
_ADDRESS = re.compile(r"postgres(ql)?://", re.IGNORECASE)
_PASSWORD = re.compile(r"(^|\s)(password|passfile|sslpassword)\s*=", re.IGNORECASE)
_ALLOWED = (
    "the path of a DuckDB file, ducklake:postgres:dbname=… host=… user=…, ducklake:postgres:postgresql://user@host/db, "
    "or ducklake:<file>"
)


@dataclass(frozen=True)
class Lake:
    """A DuckLake.

    Attributes:
        metadata: What follows `ducklake:` in ATTACH: `postgres:…`, or the absolute path of a file.
        data_path: Where its Parquet files lie: an absolute folder or s3://…; empty where the lake knows it.
        environ: Variables with what is secret.
    """

    metadata: str
    data_path: str = ""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False, compare=False)

    def __str__(self) -> str:
        return LAKE + self.metadata

    @property
    def file(self) -> Path | None:
        """The file with what the lake knows of itself; None where a server keeps that."""
        return None if self.metadata.startswith(_POSTGRES) else Path(self.metadata)


#: A DuckDB file by its path, or a lake.
CatalogLocation = Path | Lake


def check_catalog(text: str) -> str:
    """A catalog as sources.yaml or NOTION_PIPELINE_CATALOG names it.

    Raises:
        ValueError: It is none, or holds a password.
    """
    if not is_lake(text):
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text):
            raise ValueError(f"found {quoted(text.split(':', 1)[0] + ':…')}, allowed: {_ALLOWED}")
        return check_path(text)
    metadata = text[len(LAKE) :]
    server = _server(metadata)
    if server is None:
        check_path(metadata)
    elif not server or not server.isprintable():
        raise ValueError(f"found a lake without its database, allowed: {_ALLOWED}")
    elif _has_password(server):
        # Not repeated: it is a secret.
        raise ValueError("found a password; leave it out, and set PGPASSWORD (in .env) or PGPASSFILE instead")
    return text


def check_data_path(text: str) -> str:
    """Where the files of a lake are kept: a folder, or a bucket of S3 with a folder in it."""
    return check_storage(text)


def is_lake(text: str) -> bool:
    """Whether this names a lake, and not a DuckDB file."""
    return text.lower().startswith(LAKE)


def location_of(
    catalog: str, data_path: str | None, place: Callable[[str], Path], environ: Mapping[str, str] | None = None
) -> CatalogLocation:
    """The location that a checked text names.

    Args:
        place: Makes a path absolute.
        environ: Variables with what is secret; those of the process by default.
    """
    if not is_lake(catalog):
        return place(catalog)
    metadata = catalog[len(LAKE) :]
    server = _server(metadata)
    known = _POSTGRES + server if server is not None else str(place(metadata))
    data = data_path or ""
    if data and not data.lower().startswith(S3):
        data = str(place(data))
    return Lake(known, data, os.environ if environ is None else environ)


def _server(metadata: str) -> str | None:
    """The connection string of a lake on PostgreSQL; None where it is in a file."""
    if metadata.lower().startswith(_POSTGRES) and not _ADDRESS.match(metadata):
        return metadata[len(_POSTGRES) :].strip()
    return metadata.strip() if _ADDRESS.match(metadata) else None


def _has_password(server: str) -> bool:
    if not _ADDRESS.match(server):
        return _PASSWORD.search(server) is not None
    try:
        parts = urlsplit(server)
        return parts.password is not None or "password=" in parts.query.lower()
    except ValueError:
        return "@" in server and ":" in server.split("@", 1)[0].split("//", 1)[-1]
