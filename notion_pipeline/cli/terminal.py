"""What commands write, and the only way they do: text from outside steers no terminal (outside.py)."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from notion_pipeline.outside import shown, shown_json


def echo(text: str, *, err: bool = False) -> None:
    """A message, on lines of its own."""
    click.echo(shown(text), err=err)


def echo_data(text: str) -> None:
    """Text that a program reads, as it stands where one does; a terminal gets what can be shown of it."""
    click.echo(shown(text) if sys.stdout.isatty() else text, nl=False)


def echo_json(value: Any) -> None:
    """JSON of several lines, which reads back as it was."""
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
