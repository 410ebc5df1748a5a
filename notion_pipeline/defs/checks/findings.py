"""What the checks of a table find, in words: its ids, its row count, changes of its schema, values that do not fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from notion_pipeline.catalog.read.quality import MetChange, TableQuality

IDS = "ids_unique_and_not_null"
ROWS = "row_count_is_what_notion_returned"
SCHEMA = "no_unexpected_schema_change"
VALUES = "values_converted"
#: By the name of each check.
DESCRIPTIONS = {
    IDS: "Every row of the table has an id, and no two rows have the same.",
    ROWS: "The table holds the rows that Notion returned: those of the last full read, and the new ones since.",
    SCHEMA: "No property was removed, renamed or retyped in the last seven days, except what `notion-pipeline "
    "acknowledge` took down as known. One that was added is no harm.",
    VALUES: "Every value fits the type of its column. Others are NULL there, and intact in `properties`.",
}
#: Changes that may break who reads a table by its columns.
_UNEXPECTED = frozenset({"removed", "renamed", "retyped"})


@dataclass(frozen=True)
class Finding:
    """What is wrong with a table: in a sentence, and the rows it is about."""

    what: str
    rows: Sequence[str] = ()


def find_problems(quality: TableQuality, *, not_converted: int) -> dict[str, Optional[Finding]]:  # noqa: UP045
    """What each check finds; None where it finds nothing.

    Args:
        not_converted: How many values of the rows last read did not fit the type of their column.
    """
    return {
        IDS: _ids(quality),
        ROWS: _rows(quality),
        SCHEMA: _schema(quality),
        VALUES: _values(quality, not_converted),
    }


def _ids(quality: TableQuality) -> Optional[Finding]:  # noqa: UP045
    if not quality.missing_ids and not quality.repeated:
        return None
    parts = []
    if quality.repeated:
        parts.append(f"{quality.repeated:,} rows repeat the id of another")
    if quality.missing_ids:
        parts.append(f"{quality.missing_ids:,} rows have no id")
    return Finding(f"{' and '.join(parts)}; a full sync mends it.", quality.repeated_ids)


def _rows(quality: TableQuality) -> Optional[Finding]:  # noqa: UP045
    expected = quality.expected
    if expected is None or expected.holds(quality.rows):
        return None
    missing = expected.least - quality.rows
    what = f"{missing:,} are missing" if missing > 0 else f"{-missing:,} are too many"
    return Finding(
        f"{quality.rows:,} rows, Notion returned {expected.least:,}: {what}. Something else wrote to the table; "
        "a full sync makes it exact."
    )


def _schema(quality: TableQuality) -> Optional[Finding]:  # noqa: UP045
    changes = unexpected(quality.schema_changes)
    return Finding(f"{'; '.join(map(describe_change, changes))}.") if changes else None


def unexpected(changes: Sequence[MetChange]) -> list[MetChange]:
    """Those that may break who reads a table by its columns."""
    return [met for met in changes if met.change["kind"] in _UNEXPECTED]


def describe_change(met: MetChange) -> str:
    """What changed and when a sync met it."""
    return f"{_change(met.change)} (synced {met.at:%Y-%m-%d %H:%M} UTC)"


def _change(change: dict[str, Any]) -> str:
    if change["kind"] == "renamed":
        return f'property "{change["before"]}" was renamed to "{change["after"]}"'
    if change["kind"] == "retyped":
        return f'property "{change["property"]}" became {change["after"]}, was {change["before"]}'
    return f'property "{change["property"]}" was removed'


def _values(quality: TableQuality, not_converted: int) -> Optional[Finding]:  # noqa: UP045
    rows = [f"{lost.row}: {lost.column} is NULL, {lost.property_name} is {lost.raw[:80]}" for lost in quality.lost]
    if not rows and not not_converted:
        return None
    what = (
        f"{not_converted:,} values of the rows last read do not fit"
        if not_converted
        else "values of earlier syncs do not fit"
    )
    return Finding(f"{what} the type of their column; NULL there, intact in properties.", rows)
