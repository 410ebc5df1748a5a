"""Rich text in Notion's enhanced Markdown (https://developers.notion.com/guides/data-apis/enhanced-markdown)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from notion_pipeline.sandbox.answers.render import Renderer
from notion_pipeline.sandbox.model.richtext import Item

_SPECIAL = re.compile(r"[\\*~`$\[\]<>{}|^]")


class MarkdownText:
    """Renders rich text for one connection: a mention shows a name only where the connection may see it."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._mentions: dict[str, Callable[[Item], str]] = {
            "user": self._user,
            "page": self._page,
            "database": self._database,
            "date": self._date,
        }

    def line(self, items: Iterable[Item] | None) -> str:
        return "".join(self._item(item) for item in items or ())

    def _item(self, item: Item) -> str:
        kind = item.get("type")
        if kind == "equation":
            return f"$`{item['equation']['expression']}`$"
        if kind == "mention":
            shown = self._mentions.get(item["mention"].get("type"), self._plain)(item)
        else:
            shown = self._plain(item)
        return _styled(shown, item.get("annotations") or {})

    def _plain(self, item: Item) -> str:
        words, link = item.get("plain_text", ""), item.get("href")
        code = (item.get("annotations") or {}).get("code")
        shown = f"`{broken(words)}`" if code else broken(escaped(words))
        return f"[{shown}]({link})" if link and words else shown

    def _user(self, item: Item) -> str:
        user_id = item["mention"]["user"]["id"]
        name = self._renderer.user(user_id).get("name")
        return _tag("mention-user", f"user://{user_id}", name)

    def _page(self, item: Item) -> str:
        page = self._renderer.ws.pages.get(item["mention"]["page"]["id"])
        if page is None or not self._renderer.token.sees_page(page):
            return _tag("mention-page", notion_url(item["mention"]["page"]["id"]), None)
        return _tag("mention-page", page.url, page.title)

    def _database(self, item: Item) -> str:
        database = self._renderer.ws.databases.get(item["mention"]["database"]["id"])
        if database is None or not self._renderer.token.sees(database):
            return _tag("mention-database", notion_url(item["mention"]["database"]["id"]), None)
        return _tag("mention-database", database.url, database.title)

    @staticmethod
    def _date(item: Item) -> str:
        date = item["mention"]["date"]
        shown = _moment("start", date["start"])
        if date.get("end"):
            shown += _moment("end", date["end"])
        zone = f' timeZone="{date["time_zone"]}"' if date.get("time_zone") else ""
        return f"<mention-date{shown}{zone}/>"


def escaped(words: str) -> str:
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", words)


def broken(words: str) -> str:
    """A line break inside a block is a tag: blocks are told apart by lines."""
    return words.replace("\n", "<br>")


def attribute(value: str) -> str:
    return value.replace('"', "&quot;")


def color_of(value: str | None) -> str:
    """A color's name in Markdown; nothing for the default."""
    return "" if value in (None, "default") else str(value).replace("_background", "_bg")


def notion_url(page_id: str, block_id: str | None = None) -> str:
    page = f"https://www.notion.so/{page_id.replace('-', '')}"
    return page if block_id is None else f"{page}#{block_id.replace('-', '')}"


def _moment(name: str, value: str) -> str:
    day, _, time = value.partition("T")
    return f' {name}="{day}"' + (f' {name}Time="{time[:5]}"' if time else "")


def _tag(name: str, url: str, label: str | None) -> str:
    inner = f">{escaped(label)}</{name}>" if label else "/>"
    return f'<{name} url="{attribute(url)}"{inner}'


def _styled(shown: str, annotations: dict[str, Any]) -> str:
    if not shown:
        return shown
    for style, mark in (("bold", "**"), ("italic", "*"), ("strikethrough", "~~")):
        if annotations.get(style):
            shown = f"{mark}{shown}{mark}"
    if annotations.get("underline"):
        shown = f'<span underline="true">{shown}</span>'
    color = color_of(annotations.get("color"))
    return f'<span color="{color}">{shown}</span>' if color else shown
