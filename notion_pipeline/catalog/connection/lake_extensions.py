"""Loads the extensions of DuckDB that a lake takes: from packages of this environment, else as DuckDB has them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb

from notion_pipeline.catalog.sql import text
from notion_pipeline.config.fields.catalog_location import S3, Lake
from notion_pipeline.errors import CatalogError

#: What LOAD calls each, and the package that brings it for machines without the internet (the extra `lakehouse`).
_DUCKLAKE = ("ducklake", "ducklake")
_POSTGRES = ("postgres", "postgres_scanner")
_HTTPFS = ("httpfs", "httpfs")


def load_extensions(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Loads what this lake takes.

    Raises:
        CatalogError: One is neither in this environment nor can be downloaded.
    """
    wanted = [_DUCKLAKE]
    if lake.file is None:
        wanted.append(_POSTGRES)
    if lake.data_path.lower().startswith(S3):
        wanted.append(_HTTPFS)
    for name, package in wanted:
        if (path := packaged(package)) is not None:
            connection.execute(f"LOAD {text(str(path))}")
            continue
        try:
            connection.execute(f"INSTALL {name}")  # does nothing where DuckDB has it already
            connection.execute(f"LOAD {name}")
        except duckdb.Error as error:
            raise CatalogError(
                f"DuckDB {duckdb.__version__} cannot load its extension {name}, which the catalog {lake} takes: "
                f"{str(error).splitlines()[0]}",
                hint="Where there is no internet, `pip install 'notion-pipeline[lakehouse]'` brings it.",
            ) from error


def packaged(extension: str) -> Path | None:
    """The extension's file in a package made for this version of DuckDB."""
    found = find_spec(f"duckdb_extension_{extension}")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "extensions" / f"v{duckdb.__version__}"
    path = folder / f"{extension}.duckdb_extension"
    return path if path.is_file() else None
