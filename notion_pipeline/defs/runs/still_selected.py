"""Which databases of the chosen tables and partitions sources.yaml still selects: definitions may be older than it."""

from collections.abc import Collection, Mapping, Sequence
from logging import Logger

from notion_pipeline.config.sources import Source
from notion_pipeline.errors import ConfigError
from notion_pipeline.listing.listed import KnownDatabase
from notion_pipeline.outside import shown_line


def still_selected(
    log: Logger,
    source: Source,
    wanted: Sequence[str],
    known: Mapping[str, KnownDatabase],
    *,
    may_miss: Collection[str],
) -> tuple[list[str], dict[str, ConfigError]]:
    """The databases of the chosen tables and partitions, and why some of them fail: sources.yaml selects them no more.

    Notion is asked for one that was gone: it may be back.

    Args:
        may_miss: Databases of tables in a run that lists. It leaves out those that it has just found to be deselected
            or gone, as any whole sync does.
    """
    kept: list[str] = []
    failed: dict[str, ConfigError] = {}
    for key in wanted:
        database = known.get(key)
        is_selected = database is None or source.selects(key, database.title)
        if database is not None and key in may_miss and not (is_selected and database.accessible):
            log.info(f'Database "{shown_line(database.title) or "Untitled"}" ({key}) is not synced any more.')
            continue
        kept.append(key)
        if database is not None and not is_selected:
            failed[key] = ConfigError(
                f'Database "{shown_line(database.title) or "Untitled"}" ({key}) is not selected.',
                hint=f"Look at select and deselect of the source in sources.yaml, then materialize {source.name}/sync.",
                source=source.name,
            )
    return kept, failed
