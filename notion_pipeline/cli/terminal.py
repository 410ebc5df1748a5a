"""All that commands print: text, JSON, tables. Text from outside cannot control the terminal (outside.py)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from notion_pipeline.outside import shown, shown_json, shown_line

_LONGEST_TITLE = 32
_FILE_WIDTH = 140
_UNBOUNDED = 10_000


def echo(text: str, *, err: bool = False) -> None:
    """Prints a message."""
    click.echo(shown(text), err=err)


def echo_data(text: str) -> None:
    """Prints text for a program, unchanged; on a terminal without its control characters."""
    click.echo(shown(text) if sys.stdout.isatty() else text, nl=False)


def echo_json(value: Any) -> None:
    """Prints indented JSON without loss."""
    click.echo(shown_json(value))


class ShownConsole(Console):
    """Rich's console, whose text holds no control characters but its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            clean = segment.text if segment.control else shown(segment.text)
            yield segment if clean == segment.text else Segment(clean, segment.style)


def messages() -> Console:
    """Standard error, for progress and spinners."""
    return ShownConsole(stderr=True)


@dataclass(frozen=True)
class Record:
    """A row of what a command lists.

    Attributes:
        cells: Each as its lines.
        head: Which of them names the row.
        styles: By place.
    """

    cells: Sequence[Sequence[str]]
    head: int = 0
    styles: Mapping[int, str] = field(default_factory=dict)


def output(file_width: int = _FILE_WIDTH) -> Console:
    """Standard output; in a file or a pipe lines are as long as they need to be."""
    console = ShownConsole()
    return console if console.is_terminal else ShownConsole(width=file_width)


def print_records(console: Console, headings: Sequence[str], rows: Sequence[Record]) -> None:
    """Rows as a table where it fits the console, else a block each: titles and ids are to be read and copied whole."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right" if heading == "rows" else "left")
    for row in rows:
        table.add_row(*(Text("\n".join(cell), style=row.styles.get(at, "")) for at, cell in enumerate(row.cells)))
    if console.measure(table, options=console.options.update(width=_UNBOUNDED)).maximum <= console.width:
        console.print(table)
        return
    width = max(map(len, headings))
    for row in rows:
        # Rich breaks no line here; a narrow terminal does as it likes with those that are longer than it is wide.
        console.print(Text(", ".join(row.cells[row.head]), style="bold"), soft_wrap=True)
        for at, cell in enumerate(row.cells):
            if at != row.head and any(cell):
                line = Text(f"  {headings[at]:<{width}}  ", style="dim")
                console.print(line.append(", ".join(cell), style=row.styles.get(at, "")), soft_wrap=True)


def title_of(text: str, longest: int = _LONGEST_TITLE) -> str:
    """A title on one line of bounded length, as people gave it, as far as it can be shown."""
    line = shown_line(text) or "Untitled"
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def moment(when: datetime | None) -> str:
    """A moment in the machine's own time, to the minute."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else "never"
