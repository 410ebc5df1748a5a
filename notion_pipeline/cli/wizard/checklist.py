"""A checklist in the terminal that is searched by typing: keys tick only the entries that are visible."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Mapping

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.styles import Style

from notion_pipeline.outside import shown_line

HELP = "type to filter, Space ticks, Ctrl-A all shown, Tab turns those shown round, Esc goes back, Enter when done"
#: Lines beside the list: question, help, search, choice, refusal and what a terminal keeps for itself.
_OTHER_LINES = 14
_FEWEST_ROWS = 3
#: Names of the choice that are told below the list.
_NAMED_AT_MOST = 12
_STYLE = Style.from_dict(
    {"mark": "fg:#5f819d", "question": "bold", "ticked": "fg:#2f7d4f", "pointed": "bold", "refused": "fg:ansired"}
)


class Checklist:
    """What is ticked of many entries, and which of them the search shows.

    Args:
        choices: Words by value.
        names: What the choice is told by, by value; the words where there is none.
        chosen: Values that are ticked at first.
    """

    def __init__(
        self, choices: Mapping[str, str], names: Mapping[str, str] | None = None, chosen: Collection[str] = ()
    ) -> None:
        self._words = {value: shown_line(words) for value, words in choices.items()}
        self._names = {value: shown_line((names or choices)[value]) for value in choices}
        self._folded = {value: _folded(words) for value, words in self._words.items()}
        self.ticked = {value for value in choices if value in chosen}
        self.search = ""
        self._at = 0

    @property
    def choice(self) -> list[str]:
        """The ticked values, in the order of the list."""
        return [value for value in self._words if value in self.ticked]

    @property
    def visible(self) -> list[str]:
        """The values that fit the search; all without one, none where nothing fits."""
        wanted = _folded(self.search)
        return [value for value, words in self._folded.items() if wanted in words]

    @property
    def pointed(self) -> str | None:
        """The value that Space ticks."""
        visible = self.visible
        return visible[min(self._at, len(visible) - 1)] if visible else None

    def move(self, by: int) -> None:
        if count := len(self.visible):
            self._at = (
                (min(self._at, count - 1) + by) % count if abs(by) == 1 else min(max(self._at + by, 0), count - 1)
            )

    def filter(self, search: str) -> None:
        self.search, self._at = search, 0

    def toggle(self) -> None:
        if (value := self.pointed) is not None:
            self.ticked ^= {value}

    def toggle_all(self) -> None:
        """Ticks all that is visible; where all of it is, unticks it."""
        visible = set(self.visible)
        self.ticked = self.ticked - visible if visible <= self.ticked else self.ticked | visible

    def invert(self) -> None:
        self.ticked ^= set(self.visible)

    def choice_text(self) -> str:
        """The choice by name, as far as it fits a few lines."""
        names = [self._names[value] for value in self.choice]
        if not names:
            return "Chosen: nothing"
        more = f" and {len(names) - _NAMED_AT_MOST:,} more" if len(names) > _NAMED_AT_MOST else ""
        return f"Chosen, {len(names):,}: {', '.join(names[:_NAMED_AT_MOST])}{more}"

    def lines(self, rows: int) -> StyleAndTextTuples:
        """The visible entries round the pointed one."""
        visible, pointed = self.visible, self.pointed
        if pointed is None:
            return [("class:refused", f'   nothing fits "{shown_line(self.search)}"')]
        start = max(0, min(visible.index(pointed) - rows // 2, len(visible) - rows))
        found: StyleAndTextTuples = []
        for value in visible[start : start + rows]:
            style = "class:ticked" if value in self.ticked else "class:pointed" if value == pointed else ""
            found.append(("class:pointed", " » " if value == pointed else "   "))
            found.append((style, f"{'●' if value in self.ticked else '○'} {self._words[value]}\n"))
        if (hidden := len(visible) - rows) > 0:
            found.append(("class:mark", f"   {len(visible):,} fit, {hidden:,} of them above and below"))
        return found


def run_checklist(
    question: str, checklist: Checklist, *, refuse: Callable[[list[str]], str], going_back: Exception
) -> list[str]:
    """Asks until Enter keeps the choice, which is shown by name before it is kept.

    Args:
        refuse: Why a choice cannot be kept; empty where it can.
        going_back: Raised when Esc is pressed and nothing is searched for.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    refusal = ""
    keys = KeyBindings()

    def on(*names: str, eager: bool = True) -> Callable[[Callable[[KeyPressEvent], None]], None]:
        def add(act: Callable[[KeyPressEvent], None]) -> None:
            for name in names:
                keys.add(name, eager=eager)(act)

        return add

    on("up")(lambda _: checklist.move(-1))
    on("down")(lambda _: checklist.move(1))
    on("pageup")(lambda _: checklist.move(-_rows()))
    on("pagedown")(lambda _: checklist.move(_rows()))
    on("home")(lambda _: checklist.move(-len(checklist.visible) - 1))
    on("end")(lambda _: checklist.move(len(checklist.visible) + 1))
    on(" ")(lambda _: checklist.toggle())
    on("c-a")(lambda _: checklist.toggle_all())
    on("tab")(lambda _: checklist.invert())
    on("backspace")(lambda _: checklist.filter(checklist.search[:-1]))

    @on("c-c", "c-q")
    def interrupt(event: KeyPressEvent) -> None:
        event.app.exit(exception=KeyboardInterrupt())

    @on("escape")
    def back(event: KeyPressEvent) -> None:
        if checklist.search:
            checklist.filter("")
        else:
            event.app.exit(exception=going_back)

    @on("enter")
    def keep(event: KeyPressEvent) -> None:
        nonlocal refusal
        refusal = refuse(checklist.choice)
        if not refusal:
            event.app.exit(result=checklist.choice)

    @on(Keys.Any, Keys.BracketedPaste, eager=False)
    def type_in(event: KeyPressEvent) -> None:
        nonlocal refusal
        refusal = ""
        typed = " ".join(event.data.split())
        if typed.isprintable():
            checklist.filter(checklist.search + typed)

    def searching() -> StyleAndTextTuples:
        return [("class:mark", "/ "), ("", shown_line(checklist.search))] if checklist.search else []

    application: Application[list[str]] = Application(
        layout=Layout(
            HSplit(
                [
                    _window(lambda: [("class:mark", "? "), ("class:question", question), ("class:mark", f" ({HELP})")]),
                    _window(lambda: checklist.lines(_rows())),
                    _window(searching),
                    _window(lambda: [("class:mark", checklist.choice_text())]),
                    _window(lambda: [("class:refused", refusal)] if refusal else []),
                ]
            )
        ),
        key_bindings=keys,
        style=_STYLE,
        erase_when_done=True,
    )
    return application.run()


def _window(text: Callable[[], StyleAndTextTuples]) -> Window:
    return Window(FormattedTextControl(text), wrap_lines=True, dont_extend_height=True, always_hide_cursor=True)


def _rows() -> int:
    return max(_FEWEST_ROWS, get_app().output.get_size().rows - _OTHER_LINES)


def _folded(text: str) -> str:
    """As people search: neither case nor accents count."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
