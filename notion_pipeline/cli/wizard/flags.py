"""The flags of `add`: checks the text of each, and puts the answers that they give into the draft."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from notion_pipeline.cli import CommandError
from notion_pipeline.cli.wizard.content_step import choose_content
from notion_pipeline.cli.wizard.draft import Draft, check_own_table, check_sync_type
from notion_pipeline.cli.wizard.schedule_input import daily, parse_times
from notion_pipeline.cli.wizard.steps import Surroundings, zone_so_far
from notion_pipeline.messages import quoted

Flags = Mapping[str, Any]


def checked(check: Callable[[str], Any], *, parsed: bool = True) -> Callable[..., Any]:
    """A callback of click's: what the check refuses is wrong usage; None where the flag is not given."""

    def callback(_: click.Context, parameter: click.Parameter, value: Any) -> Any:
        try:
            if isinstance(value, tuple):
                return tuple(check(one) for one in value)
            if value is None:
                return None
            return check(value) if parsed else (check(value), value)[1]
        except ValueError as error:
            raise click.BadParameter(str(error), param=parameter) from None

    return callback


def stream_value(text: str) -> tuple[str, str]:
    """`NAME=VALUE`, cut at the last equals sign: titles may hold some."""
    name, equals, value = text.rpartition("=")
    if not equals or not name.strip() or not value.strip():
        raise ValueError(f"found {quoted(text)}, allowed: a stream and a value, such as Tasks=tasks")
    return name.strip(), value.strip()


def stream_sync_type(text: str) -> tuple[str, str]:
    """`NAME=TYPE`."""
    name, value = stream_value(text)
    return name, check_sync_type(value)


def daily_crons(text: str) -> list[str]:
    """The crons of times such as `06:00,18:30`."""
    return daily(parse_times(text))


def answered_by(flags: Flags) -> set[str]:
    """The keys of the source that are not asked for, since flags say them."""
    answered = {
        key for key in ("start_date", "table_prefix", "sync_type", "description", "timezone") if flags[key] is not None
    }
    answered |= {key for key in ("select", "deselect", "content") if flags[key]}
    answered |= {"streams"} if flags["table"] or flags["stream_sync_type"] else set()
    answered |= {"schedule"} if flags["daily"] or flags["weekly"] or flags["schedule"] else set()
    answered |= {"watch"} if flags["watch"] is not None or flags["watch_every"] else set()
    answered |= {"full_sync_schedule"} if flags["full_sync_weekly"] or flags["full_sync_schedule"] else set()
    return answered


def take_flags(draft: Draft, around: Surroundings, flags: Flags) -> None:
    """Puts what flags say into the draft."""
    for key in ("start_date", "table_prefix", "sync_type", "description"):
        if flags[key] is not None:
            draft.put(key, flags[key])
    for key in ("select", "deselect"):
        if flags[key]:
            draft.put(key, around.account.entries(flags[key]))
    if draft.get("select") and "select" not in draft.values and not draft.present:
        draft.put("select", draft.get("select"))
    for entry, table in flags["table"]:
        database = around.account.one(entry)
        others = [name for key, name in around.account.tables(draft).items() if key != database.id]
        try:
            draft.set_stream(database.id, database.title, table=check_own_table(table, others))
        except ValueError as error:
            raise CommandError(f"--table: {error}.") from None
    for entry, sync_type in flags["stream_sync_type"]:
        database = around.account.one(entry)
        draft.set_stream(database.id, database.title, sync_type=sync_type)
    if flags["content"]:
        choose_content(draft, _content_entries(around, flags["content"]))
    _take_triggers(draft, flags)


def _content_entries(around: Surroundings, texts: Sequence[str]) -> list[str]:
    """Entries of `content: select`; `*` for `all`, none for `none`.

    Raises:
        UsageError: `all` or `none` stands beside something else.
    """
    switches = {"all": ["*"], "none": []}
    if len(texts) == 1 and texts[0] in switches:
        return switches[texts[0]]
    if found := [text for text in texts if text in switches]:
        raise click.UsageError(f"--content {found[0]} stands alone.")
    return around.account.entries(texts)


def _take_triggers(draft: Draft, flags: Flags) -> None:
    crons = [*(flags["daily"] or ()), *([flags["weekly"]] if flags["weekly"] else ()), *flags["schedule"]]
    full = [*([flags["full_sync_weekly"]] if flags["full_sync_weekly"] else ()), *flags["full_sync_schedule"]]
    for key, found in (("schedule", crons), ("full_sync_schedule", full)):
        if found:
            draft.put(key, found[0] if len(found) == 1 else found)
    if flags["timezone"]:
        draft.put("timezone", flags["timezone"])
    elif (crons or full) and "timezone" not in draft.values:
        draft.put("timezone", zone_so_far(draft))
    if flags["watch"] is False:
        draft.put("watch", None)
    elif flags["watch"] or flags["watch_every"]:
        draft.put("watch", {"every_seconds": flags["watch_every"] or 60})
