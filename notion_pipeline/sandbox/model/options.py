"""The choices of select, multi_select and status properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from notion_pipeline.sandbox.model.ids import IdSource

COLORS = ("default", "gray", "brown", "orange", "yellow", "green", "blue", "purple", "pink", "red")


@dataclass
class Option:
    """A choice of a select, multi_select or status property."""

    id: str
    name: str
    color: str = "default"
    description: str | None = None
    group: int = 0

    def config(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "color": self.color, "description": self.description}

    def value(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "color": self.color}


def new_options(names: Any, ids: IdSource) -> list[Option]:
    """Options from names or from dicts with name and perhaps id, color, description, group."""
    options = []
    for number, entry in enumerate(names):
        given = {"name": entry} if isinstance(entry, str) else dict(entry)
        options.append(
            Option(
                given.get("id") or ids.option_id(),
                given["name"],
                given.get("color") or COLORS[number % len(COLORS)],
                given.get("description"),
                int(given.get("group", 0 if number == 0 else 2 if number == len(names) - 1 else 1)),
            )
        )
    return options
