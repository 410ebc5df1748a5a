"""Pages of their own: outside any data source, in a page, a block or the workspace."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from notion_pipeline.sandbox.edits.rows import bump, icon_object, is_volatile
from notion_pipeline.sandbox.model.clock import as_instant
from notion_pipeline.sandbox.model.content.blocks import Block, Child, Container
from notion_pipeline.sandbox.model.content.page_text import children_of
from notion_pipeline.sandbox.model.ids import dashed
from notion_pipeline.sandbox.model.objects import DataSource, Page
from notion_pipeline.sandbox.model.users import User

if TYPE_CHECKING:
    from notion_pipeline.sandbox.model.state.store import Store


def create(
    ws: Store,
    title: Any,
    now: datetime,
    *,
    parent: Container | None = None,
    shared: bool | None = None,
    created_at: datetime | str | None = None,
    edited_at: datetime | str | None = None,
    icon: Any = None,
    cover: Any = None,
    created_by: User | str | None = None,
    id: str | None = None,  # noqa: A002 - Notion's word
    in_trash: bool = False,
    content: str = "",
) -> Page:
    """A page of its own. `title` is a text or rich text items; `shared` is None to go with its parent."""
    created = as_instant(created_at) if created_at else now
    page = Page(
        dashed(id) or ws.ids.uuid(),
        None,
        seq=ws.next_seq(),
        created_time=created,
        last_edited_time=as_instant(edited_at) if edited_at else created,
        created_by=created_by.id if isinstance(created_by, User) else created_by or ws.owner.id,
        values={"title": title},
    )
    page.shared, page.content, page.in_trash = shared, content, in_trash
    page.icon, page.cover = icon_object(icon), icon_object(cover)
    page.volatile = is_volatile(page)
    ws.pages[page.id] = page
    if parent is not None:
        place(ws, page, parent)
    return page


def place(ws: Store, child: Child, parent: Container, after: Child | None = None) -> None:
    """Put it at the end of the parent, or after one of its children."""
    siblings = own_children(ws, parent)
    siblings.insert(len(siblings) if after is None else siblings.index(after) + 1, child)
    if isinstance(child, (Block, Page)):
        child.parent = parent


def own_children(ws: Store, container: Container) -> list[Child]:
    """The children to change; a page that was kept as text holds blocks from now on."""
    if isinstance(container, Block):
        own_children(ws, container.page)
        return container.children
    if container.children is None:
        container.children, container.content = children_of(container), ""
        for child in container.children:
            if isinstance(child, Block):
                ws.blocks.update({block.id: block for block in child.walk()})
    return container.children


def take_out(ws: Store, child: Block | Page) -> None:
    parent = child.parent
    if parent is not None:
        own_children(ws, parent).remove(child)


def move(ws: Store, page: Page, to: Container | DataSource | None, now: datetime) -> None:
    """Move a page with its id and content; in a data source it keeps the values that have a property of that name."""
    values = _named_values(page)
    if page.data_source is not None:
        page.data_source.order.remove(page)
    else:
        take_out(ws, page)
    page.data_source, page.parent = (to if isinstance(to, DataSource) else None), None
    own = page.own_values()
    own.clear()
    if isinstance(to, DataSource):
        own.update({prop.id: values[name] for name, prop in to.properties.items() if name in values})
        own["title"] = values[""]
        to.insert_row(page)
    else:
        own["title"] = values[""]
        if to is not None:
            place(ws, page, to)
    bump(page, now)
    page.volatile = is_volatile(page)


def _named_values(page: Page) -> dict[str, Any]:
    """Values by property name; the title under the empty one."""
    values = page.values
    properties = page.data_source.properties if page.data_source is not None else {}
    named = {name: values[prop.id] for name, prop in properties.items() if prop.id in values and prop.type != "title"}
    return named | {"": values.get("title", "")}
