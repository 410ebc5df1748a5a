"""Making and changing pages: values, states, stamps (notion-api.md section 2, what moves last_edited_time)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from notion_pipeline.sandbox.model.clock import as_instant
from notion_pipeline.sandbox.model.ids import dashed
from notion_pipeline.sandbox.model.objects import DataSource, Page, Property
from notion_pipeline.sandbox.model.users import User
from notion_pipeline.sandbox.model.values import Raw, empty, holds_hosted_file, stored

if TYPE_CHECKING:
    from notion_pipeline.sandbox.model.state.store import Store


def icon_object(icon: Any) -> dict[str, Any] | None:
    """A bare string is an emoji, or an external picture where it is a URL."""
    if isinstance(icon, str):
        if icon.startswith("http"):
            return {"type": "external", "external": {"url": icon}}
        return {"type": "emoji", "emoji": icon}
    return None if icon is None else dict(icon)


def create(
    ws: Store,
    source: DataSource,
    values: Mapping[str, Any],
    now: datetime,
    *,
    created_at: datetime | str | None = None,
    edited_at: datetime | str | None = None,
    icon: Any = None,
    cover: Any = None,
    created_by: User | str | None = None,
    id: str | None = None,  # noqa: A002 - Notion's word
    archived: bool = False,
    in_trash: bool = False,
    content: str = "",
) -> Page:
    """A row. `archived` is the state of section 4, not the old name of the trash."""
    created = as_instant(created_at) if created_at else now
    edited = as_instant(edited_at) if edited_at else created
    by = created_by.id if isinstance(created_by, User) else created_by or ws.owner.id
    page = Page(
        dashed(id) or ws.ids.uuid(),
        source,
        seq=ws.next_seq(),
        created_time=created,
        last_edited_time=edited,
        created_by=by,
    )
    page.content, page.is_archived, page.in_trash = content, archived, in_trash
    page.icon, page.cover = icon_object(icon), icon_object(cover)
    number_page(source, page)
    ws.pages[page.id] = page
    source.insert_row(page)
    assign(ws, page, values, now)
    return page


def number_page(source: DataSource, page: Page) -> None:
    for prop in source.properties.values():
        if prop.type == "unique_id":
            page.own_values()[prop.id] = prop.next_number
            prop.next_number += 1


def edit(
    ws: Store,
    page: Page,
    values: Mapping[str, Any],
    now: datetime,
    *,
    edited_at: datetime | str | None = None,
    edited_by: User | str | None = None,
    **fields: Any,
) -> None:
    """Always a bump: a property edit on the row (section 2)."""
    assign(ws, page, values, now)
    for name, value in fields.items():
        if name not in ("icon", "cover", "is_locked", "public_url"):
            raise ValueError(f"no such page field: {name}")
        setattr(page, name, icon_object(value) if name in ("icon", "cover") else value)
    bump(page, as_instant(edited_at) if edited_at else now, edited_by)
    page.volatile = is_volatile(page)


def bump(page: Page, at: datetime, by: User | str | None = None) -> None:
    page.last_edited_time = at
    page.cached = None
    if by is not None:
        page.last_edited_by = by.id if isinstance(by, User) else by


def set_state(
    ws: Store, page: Page, now: datetime, *, in_trash: bool | None = None, is_archived: bool | None = None
) -> None:
    """Trash, restore, archive or unarchive; whether that bumps the stamp is a switch (section 2)."""
    if in_trash is not None:
        page.in_trash = in_trash
    if is_archived is not None:
        page.is_archived = is_archived
    bumps = ws.switches.trash_bumps if in_trash is not None else ws.switches.archive_bumps
    bump(page, now if bumps else page.last_edited_time)


def delete(ws: Store, page: Page) -> None:
    page.gone = True
    ws.pages.pop(page.id, None)
    if page.data_source is not None:
        page.data_source.order.remove(page)


def assign(ws: Store, page: Page, values: Mapping[str, Any], now: datetime) -> None:
    """Store values given by property name; the other side of two-way relations follows."""
    source = page.data_source
    own = page.own_values()
    for name, value in values.items():
        if source is None:
            own["title"] = value
            continue
        prop = source.properties[name]
        options_before = len(prop.options)
        new = stored(prop, value, ws.ids)
        if prop.synced is not None and not isinstance(new, Raw):
            _sync_back(ws, prop, page, own.get(prop.id, []), new, now)
        own[prop.id] = new
        if len(prop.options) != options_before:
            source.revision += 1
    page.volatile = is_volatile(page)
    page.cached = None


def is_volatile(page: Page) -> bool:
    """Whether it shows a signed URL, new at every read (section 6)."""
    hosted = any(holds_hosted_file(value) for value in page.own_values().values())
    return hosted or any("hosted" in (thing or {}) for thing in (page.icon, page.cover))


def _sync_back(ws: Store, prop: Property, page: Page, old: Any, new: list[str], now: datetime) -> None:  # noqa: PLR0917
    """Keep both sides of a two-way relation; whether the other page's stamp moves is a switch (section 2)."""
    back = prop.synced
    if back is None:
        return
    before = old if isinstance(old, list) else []
    for other_id in set(before) ^ set(new):
        other = ws.pages.get(other_id)
        if other is None:
            continue
        values = other.own_values()
        listed = list(values.get(back.id) or empty("relation"))
        if other_id in new:
            listed = [*listed, page.id] if page.id not in listed else listed
        else:
            listed = [entry for entry in listed if entry != page.id]
        values[back.id] = listed
        bump(other, now if ws.switches.back_relation_bumps else other.last_edited_time)
