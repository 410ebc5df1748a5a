"""The wizard's question about content: whether the words on the pages are read too, and of which databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from notion_pipeline.cli.content_cost import pages_cost
from notion_pipeline.cli.terminal import title_of
from notion_pipeline.cli.wizard.databases import AccountDatabases
from notion_pipeline.cli.wizard.draft import Draft
from notion_pipeline.cli.wizard.prompts import ask_one, ask_several
from notion_pipeline.config.content import CONTENT_SELECT
from notion_pipeline.listing.listed import ListedDatabase

_NONE, _ALL, _SOME = "none", "all", "some"


def ask_for_content(draft: Draft, account: AccountDatabases, choices: Mapping[str, str]) -> None:
    """Puts `content` into the draft; settings beside `content: select` stay.

    Args:
        choices: The words of each database in a checklist, by id.
    """
    selected = account.selected(draft)
    if not selected:
        return
    before = _so_far(draft)
    how = ask_one(
        f"Content: read the words on the pages too? ({_cost(draft, account, selected)})",
        {
            "No, the rows alone": _NONE,
            "Of every database that is synced": _ALL,
            "Of some databases": _SOME,
        },
        default=before,
    )
    if how != _SOME:
        if how != before:
            choose_content(draft, ["*"] if how == _ALL else [])
        return
    entries = _entries(draft) if how == before else []
    ticked = [found.id for found in selected if any(found.id in account.fitting(CONTENT_SELECT, e) for e in entries)]
    wanted = ask_several(
        "Content is read of",
        {found.id: choices[found.id] for found in selected},
        names={found.id: title_of(found.title, 60) for found in selected},
        chosen=ticked,
        at_least_one=not ticked,
    )
    if how != before or set(wanted) != set(ticked):
        choose_content(draft, _changed(entries, account, selected, wanted))


def choose_content(draft: Draft, entries: Sequence[str]) -> None:
    """Has content read of what the entries name; of none where there are none. Other settings of content stay."""
    settings = _settings(draft)
    settings.pop("select", None)
    if not entries:
        draft.put("content", None)
    elif list(entries) == ["*"]:
        draft.put("content", settings or True)
    else:
        draft.put("content", {"select": list(entries), **settings})


def content_summary(draft: Draft, account: AccountDatabases) -> str:
    """A sentence about what is read of the pages; empty where nothing is."""
    entries = _entries(draft)
    if not entries:
        return ""
    chosen = [
        found
        for found in account.selected(draft)
        if any(found.id in account.fitting(CONTENT_SELECT, entry) for entry in entries)
    ]
    return f" The content of {len(chosen):,} is read, {_cost(draft, account, chosen)}."


def _so_far(draft: Draft) -> str:
    entries = _entries(draft)
    return _NONE if not entries else _ALL if "*" in entries else _SOME


def _settings(draft: Draft) -> dict[str, Any]:
    found = draft.get("content")
    return dict(found) if isinstance(found, Mapping) else {}


def _entries(draft: Draft) -> list[str]:
    """What `content: select` has; `*` where it is left out, nothing where there is no `content`."""
    content = draft.meaning("content")
    return list(content.select) if content is not None else []


def _changed(
    entries: Sequence[str], account: AccountDatabases, selected: Sequence[ListedDatabase], wanted: Sequence[str]
) -> list[str]:
    """Entries under which the content of the wanted databases is read; those that fit no other stay as they are."""
    visible = {found.id for found in selected}
    fits = {entry: account.fitting(CONTENT_SELECT, entry) & visible for entry in entries}
    kept = [entry for entry, found in fits.items() if found <= set(wanted)]
    covered = {key for entry in kept for key in fits[entry]}
    return [*kept, *(key for key in wanted if key not in covered)]


def _cost(draft: Draft, account: AccountDatabases, databases: Sequence[ListedDatabase]) -> str:
    rows = [account.catalog.rows[found.id] for found in databases if found.id in account.catalog.rows]
    return pages_cost(sum(rows) if rows else None, draft.source().limits)
