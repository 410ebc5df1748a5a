"""The questions of `add`, one function for each step: it puts its answers into the draft and skips what flags answer.

What a step needs to know of the account and the catalog is in `Surroundings`; nothing here reads or writes a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from notion_pipeline.cli.terminal import title_of
from notion_pipeline.cli.wizard.content_step import ask_for_content
from notion_pipeline.cli.wizard.databases import AccountDatabases
from notion_pipeline.cli.wizard.draft import Draft, check_own_table
from notion_pipeline.cli.wizard.prompts import ask_one, ask_several, ask_text, ask_yes, tell
from notion_pipeline.cli.wizard.schedule_input import daily, local_time_zone, parse_times, weekly
from notion_pipeline.config.fields.cron import check_cron
from notion_pipeline.config.fields.values import (
    MAX_DESCRIPTION,
    check_description,
    check_prefix,
    check_time_zone,
    parse_start_date,
)
from notion_pipeline.listing.listed import ListedDatabase

_ALL, _BUT, _SOME = "all", "but", "some"


@dataclass(frozen=True)
class Surroundings:
    """What the steps after the account know.

    Attributes:
        account: What the account sees.
        answered: Keys of the source that flags have answered.
    """

    account: AccountDatabases
    answered: Collection[str] = ()


def ask_start_date(draft: Draft, around: Surroundings) -> None:
    if "start_date" in around.answered:
        return

    def check(text: str) -> None:
        parse_start_date(text or None)

    text = ask_text(
        "Start date: leave out pages last edited before (such as 2024-01-01; empty: none)",
        default=str(draft.get("start_date") or ""),
        check=check,
    )
    draft.put("start_date", text)


def ask_streams(draft: Draft, around: Surroundings) -> None:
    """All, all but some, or some of what the account sees; the latter two as a checklist."""
    if {"select", "deselect"} & set(around.answered):
        return
    count = len(around.account.listed)
    before = _how_so_far(draft)
    how = ask_one(
        f"Streams: the account sees {count:,} database{'' if count == 1 else 's'}. Which are synced?",
        {
            "All of them, and those that are shared later": _ALL,
            "All but some, and those that are shared later": _BUT,
            "Some of them": _SOME,
        },
        default=before,
    )
    is_as_before = how == before
    if how == _ALL:
        if not is_as_before:
            _select(draft, ["*"], [])
        return
    selected = [database.id for database in around.account.selected(draft)] if before != _ALL else []
    left_out = [database.id for database in around.account.deselected(draft)]
    ticked = left_out if how == _BUT else selected if is_as_before else []
    question = "Left out are" if how == _BUT else "Synced are"
    chosen = ask_several(
        question, _choices(draft, around), names=_names(around), chosen=ticked, at_least_one=not ticked
    )
    if is_as_before and set(chosen) == set(ticked):
        return
    wanted = set(chosen) if how == _SOME else set(around.account.titles) - set(chosen)
    entries = draft.list_of("select") if is_as_before else ["*"] if how == _BUT else []
    _select(draft, *around.account.changed_selection(entries, draft.list_of("deselect"), wanted))


def _select(draft: Draft, select: list[str], deselect: list[str]) -> None:
    draft.put("select", select)
    draft.put("deselect", deselect)


def _how_so_far(draft: Draft) -> str:
    if "*" not in draft.list_of("select"):
        return _SOME
    return _BUT if draft.list_of("deselect") else _ALL


def _names(around: Surroundings) -> dict[str, str]:
    return {database.id: title_of(database.title, 60) for database in around.account.listed}


def _choices(draft: Draft, around: Surroundings) -> dict[str, str]:
    """Title and table of each database by id; the table's name finds a title by its letters without accents."""
    tables = around.account.tables(draft)
    return {
        database.id: f"{title_of(database.title, 60)}  →  {tables.get(database.id, '')}"
        for database in around.account.listed
    }


def ask_tables(draft: Draft, around: Surroundings) -> None:
    """Prefix and sync type of all, then what differs for single streams."""
    if "table_prefix" not in around.answered:
        prefix = ask_text(
            "Tables: a prefix for all names (empty: none)",
            default=str(draft.get("table_prefix") or ""),
            check=check_prefix,
        )
        draft.put("table_prefix", prefix)
    if "sync_type" not in around.answered:
        draft.put("sync_type", _ask_sync_type("How are tables synced?", str(draft.get("sync_type"))))
        if draft.get("sync_type") == "INCREMENTAL" and "sync_type" not in draft.present:
            draft.put("sync_type", None)  # the default needs no line
    if "streams" in around.answered:
        return
    selected = around.account.selected(draft)
    tables = around.account.tables(draft)
    _show_tables(draft, selected, tables)
    if not selected or not ask_yes("Change the name or the sync type of single tables?", default=False):
        return
    choices = {key: words for key, words in _choices(draft, around).items() if key in {d.id for d in selected}}
    wanted = set(ask_several("Which", choices, names=_names(around), at_least_one=False))
    for database in selected:
        if database.id in wanted:
            _ask_table(draft, database, around)


def _show_tables(draft: Draft, selected: Sequence[ListedDatabase], tables: Mapping[str, str]) -> None:
    for database in selected:
        tell(f"  {title_of(database.title):<34}{draft.name}.{tables.get(database.id, '')}")


def _ask_sync_type(question: str, default: str) -> str:
    return ask_one(
        question,
        {
            "INCREMENTAL: what was edited, and a full read now and then": "INCREMENTAL",
            "FULL_TABLE: everything, each time": "FULL_TABLE",
        },
        default=default,
    )


def _ask_table(draft: Draft, database: ListedDatabase, around: Surroundings) -> None:
    tables = around.account.tables(draft)
    others = [table for key, table in tables.items() if key != database.id]
    suggested = tables.get(database.id, "")
    title = title_of(database.title)
    name = ask_text(f'Table of "{title}"', default=suggested, check=lambda text: check_own_table(text, others))
    before = str(draft.stream(database.id, database.title).get("sync_type") or draft.get("sync_type"))
    sync_type = _ask_sync_type(f'How is "{title}" synced?', before)
    own = draft.stream(database.id, database.title)
    draft.set_stream(
        database.id,
        database.title,
        table=name if name != suggested or "table" in own else None,
        sync_type=sync_type if sync_type != draft.get("sync_type") or "sync_type" in own else None,
    )


def ask_content(draft: Draft, around: Surroundings) -> None:
    """Whether the words on the pages are read, and of which databases."""
    if "content" not in around.answered:
        ask_for_content(draft, around.account, _choices(draft, around))


def ask_description(draft: Draft, around: Surroundings) -> None:
    if "description" in around.answered:
        return
    text = ask_text(
        f"Description, at most {MAX_DESCRIPTION} characters",
        default=str(draft.get("description") or ""),
        check=check_description,
        longest=MAX_DESCRIPTION,
    )
    draft.put("description", text)


_Crons = Callable[[], list[str]]


def ask_triggers(draft: Draft, around: Surroundings) -> None:
    """When it syncs by itself: times, crons and the sensor in any combination; full syncs; the time zone."""
    asked = False
    if not {"schedule", "watch"} & set(around.answered):
        asked = _ask_schedule(draft)
    if "full_sync_schedule" not in around.answered:
        asked = _ask_full_sync(draft) or asked
    if asked and "timezone" not in around.answered:
        zone = ask_text(
            "Time zone", default=str(draft.values.get("timezone") or zone_so_far(draft)), check=check_time_zone
        )
        draft.put("timezone", zone)


def zone_so_far(draft: Draft) -> str:
    """The time zone of crons without one: UTC where the file has such crons, else the machine's own."""
    has_crons = any(draft.present.get(key) for key in ("schedule", "full_sync_schedule"))
    return "UTC" if has_crons else local_time_zone()


def _ask_schedule(draft: Draft) -> bool:
    """Whether times were given."""
    kinds: dict[str, _Crons] = {
        "Every day": lambda: daily(parse_times(_ask_times("Every day at", "06:00"))),
        "At given times": lambda: daily(parse_times(_ask_times("At these times of each day", "06:00, 12:00, 18:00"))),
        "Once a week": lambda: [weekly(ask_text("Once a week on", default="mon 06:00", check=weekly))],
        "By cron": lambda: _ask_crons("Crons, one or several with ; between", draft.list_of("schedule")),
    }
    watching = "When something changes"
    chosen = ask_several(
        "Triggers: when does it sync by itself?",
        {words: words for words in (*kinds, watching)},
        chosen=_kinds_so_far(draft, watching),
    )
    crons = [cron for kind in chosen if kind in kinds for cron in kinds[kind]()]
    draft.put("schedule", crons[0] if len(crons) == 1 else list(dict.fromkeys(crons)))
    has_watch = draft.present.get("watch") not in (None, False)
    draft.put("watch", draft.present["watch"] if has_watch and watching in chosen else None)
    if watching in chosen and not has_watch:
        seconds = ask_text("Look for changes every how many seconds?", default="60", check=check_seconds)
        draft.put("watch", {"every_seconds": int(seconds)})
    return bool(crons)


def _kinds_so_far(draft: Draft, watching: str) -> list[str]:
    is_watching = draft.get("watch") not in (None, False)
    return (["By cron"] if draft.list_of("schedule") else []) + ([watching] if is_watching else [])


def _ask_times(question: str, default: str) -> str:
    return ask_text(question, default=default, check=parse_times)


def _ask_crons(question: str, before: Sequence[str]) -> list[str]:
    def check(text: str) -> None:
        for cron in text.split(";"):
            check_cron(cron.strip())

    offered = "; ".join(before) or "0 6 * * *"
    text = ask_text(question, default=offered, check=check)
    if before and text == offered:
        return list(before)
    return [check_cron(cron.strip()) for cron in text.split(";")]


def _ask_full_sync(draft: Draft) -> bool:
    """Whether full syncs were asked for."""
    present = draft.list_of("full_sync_schedule")
    if not ask_yes(
        "Full syncs too, which make tables exact and take out rows gone from Notion?", default=bool(present)
    ):
        draft.put("full_sync_schedule", None)
        return False
    if present:
        crons = _ask_crons("Crons of full syncs", present)
    else:
        crons = [weekly(ask_text("Full syncs once a week on", default="sun 03:00", check=weekly))]
    draft.put("full_sync_schedule", crons[0] if len(crons) == 1 else crons)
    return True


def check_seconds(text: str) -> int:
    """A number of seconds that the sensor may wait.

    Raises:
        ValueError: It is none, or too small for Dagster.
    """
    if not text.isascii() or not text.isdigit() or int(text) < 5:
        raise ValueError("allowed: a whole number of seconds, at least 5")
    return int(text)


STEPS: tuple[Callable[[Draft, Surroundings], None], ...] = (
    *(ask_start_date, ask_streams, ask_tables, ask_content, ask_description, ask_triggers),
)
