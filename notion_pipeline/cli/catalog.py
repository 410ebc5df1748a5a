"""Opens the project's catalog for a command, which waits for a sync in progress no longer than a person would."""

from __future__ import annotations

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.cli.terminal import echo
from notion_pipeline.config.fields.catalog_location import CatalogLocation
from notion_pipeline.config.sources import Sources
from notion_pipeline.project import Project

#: How long a command waits while another process holds the catalog; one that changes it waits longer.
READ_SECONDS = 5.0
WRITE_SECONDS = 10.0


def open_catalog(
    project: Project, sources: Sources, *, writes: bool = False, wait_seconds: float | None = None
) -> Catalog:
    """The catalog that sources.yaml or the environment names.

    Args:
        writes: The command changes it: standard error says who holds the catalog while the command waits.
        wait_seconds: Instead of the usual time.
    """
    usual = WRITE_SECONDS if writes else READ_SECONDS
    return Catalog(
        sources.catalog_location(project),
        log=_say if writes else _say_nothing,
        wait_seconds=usual if wait_seconds is None else wait_seconds,
    )


def catalog_at(location: CatalogLocation) -> Catalog:
    """Another catalog than the project's own, for a command that says what it waits for."""
    return Catalog(location, log=_say, wait_seconds=WRITE_SECONDS)


def _say(line: str) -> None:
    echo(line, err=True)


def _say_nothing(line: str) -> None:
    """For a command that only reads: it is done before anybody asks what it waits for."""
