"""What a benchmark found: a table for the terminal and for BENCHMARKS.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Findings:
    """One table.

    Attributes:
        command: What prints it.
        meaning: What its figures mean, in a sentence or two.
        counts: Its figures that no machine changes, by name: what a test may check.
    """

    title: str
    command: str
    meaning: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    counts: dict[str, int] = field(default_factory=dict)

    def show(self, console: Console) -> None:
        table = Table(title=self.title, title_justify="left", title_style="bold", caption=self.meaning)
        table.caption_justify = "left"
        for place, column in enumerate(self.columns):
            table.add_column(column, justify="right" if place else "left")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def as_markdown(self) -> str:
        lines = [f"## {self.title}", "", f"`{self.command}`", ""]
        lines += [_line(self.columns), _line(["---", *("---:" for _ in self.columns[1:])])]
        lines += [_line(row) for row in self.rows]
        return "\n".join([*lines, "", self.meaning, ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def bounded(figure: float, bound: float, unit: str = "") -> tuple[str, str, str]:
    """A figure, what it may be at most, and the one as a part of the other."""
    return shown(figure, unit), shown(bound, unit), f"{figure / bound:.2f}"


def shown(figure: float, unit: str = "") -> str:
    digits = f"{figure:,.0f}" if isinstance(figure, int) or figure >= 1_000 else f"{figure:,.1f}"
    return f"{digits} {unit}".rstrip()
