"""Questions in a terminal: the few kinds that the wizard asks with questionary, and the way back to an earlier one.

Ctrl-C raises KeyboardInterrupt, and Esc `GoingBack`. Within `conversation` going back repeats the previous question:
the conversation starts again, and the answers before that question are given again without asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import questionary
from prompt_toolkit.application import get_app
from prompt_toolkit.document import Document
from prompt_toolkit.filters import to_filter
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout import Dimension, FormattedTextControl
from prompt_toolkit.validation import ValidationError, Validator

from notion_pipeline.cli.terminal import echo
from notion_pipeline.cli.wizard.checklist import Checklist, run_checklist
from notion_pipeline.outside import shown_line

Value = TypeVar("Value")
Check = Callable[[str], object]

WAYS_OUT = "Esc goes back to the question before, Ctrl-C ends it all; nothing is written before the end."


class GoingBack(Exception):  # noqa: N818 - no error: the question before is to be asked again
    """Esc was pressed."""


@dataclass
class _Conversation:
    """The answers so far.

    Attributes:
        place: How many of them were given again since the conversation began anew.
        withdrawn: The answer that was taken back, offered where it is asked for again.
    """

    answers: list[Any] = field(default_factory=list)
    place: int = 0
    withdrawn: list[Any] = field(default_factory=list)

    @property
    def is_repeating(self) -> bool:
        return self.place < len(self.answers)

    def take(self, ask: Callable[[Any], Any], offered: Any) -> Any:
        if not self.is_repeating:
            offered = self.withdrawn.pop() if self.withdrawn else offered
            self.answers.append(ask(offered))
        self.place += 1
        return self.answers[self.place - 1]


_current: ContextVar[_Conversation | None] = ContextVar("conversation", default=None)


def conversation(talk: Callable[[], Value]) -> Value:
    """What comes of `talk`, which asks by the functions here, and begins anew when somebody goes back.

    Args:
        talk: Does the same for the same answers, however often it is called.

    Raises:
        GoingBack: From the first question.
    """
    here = _Conversation()
    while True:
        here.place = 0
        token = _current.set(here)
        try:
            return talk()
        except GoingBack:
            if not here.answers:
                raise
            here.withdrawn = [here.answers.pop()]
        finally:
            _current.reset(token)


def tell(text: str) -> None:
    """Says something between two questions, once."""
    here = _current.get()
    if here is None or not here.is_repeating:
        echo(text)


def ask_text(question: str, *, default: str = "", check: Check | None = None, longest: int | None = None) -> str:
    """A line of text.

    Args:
        check: Raises ValueError for a line that will not do; the line is kept for mending.
        longest: Counted below the line while one types.
    """

    def counted() -> str:
        typed = len(get_app().current_buffer.text)
        return f"{typed} of {longest} characters" + (", too long" if longest and typed > longest else "")

    def ask(offered: str) -> str:
        prompt = questionary.text(
            shown_line(question),
            default=offered,
            validate=_Checked(check) if check else None,
            bottom_toolbar=counted if longest else None,
        )
        answer = str(_answer(prompt))
        return answer if answer == default else answer.strip()

    return str(_asked(ask, default))


def ask_secret(question: str, *, check: Check | None = None) -> str:
    """A line that is not shown."""
    return str(_answer(questionary.password(question, validate=_Checked(check) if check else None))).strip()


def ask_one(question: str, choices: Mapping[str, Value], *, default: Value | None = None) -> Value:
    """One of several, by the words that are shown."""
    values = {shown_line(words): value for words, value in choices.items()}

    def ask(offered: Value | None) -> Value:
        first = next((words for words, value in values.items() if value == offered), None)
        return values[str(_answer(questionary.select(shown_line(question), choices=list(values), default=first)))]

    answer: Value = _asked(ask, default)
    return answer


def ask_several(
    question: str,
    choices: Mapping[str, str],
    *,
    names: Mapping[str, str] | None = None,
    chosen: Sequence[str] = (),
    at_least_one: bool = False,
) -> list[str]:
    """Some of many, in a checklist that is searched by typing.

    Args:
        choices: Words by value; what is typed may be any part of them.
        names: What the choice is told by, by value; the words where there is none.
        chosen: Values that are ticked at first.
    """

    def refuse(choice: list[str]) -> str:
        return "" if choice or not at_least_one else "Choose at least one, with the space bar."

    def ask(offered: Sequence[str]) -> list[str]:
        words = shown_line(question)
        choice = run_checklist(words, Checklist(choices, names, offered), refuse=refuse, going_back=GoingBack())
        told = ", ".join(shown_line((names or choices)[value]) for value in choice)
        echo(f"? {words}: {told or 'none'}")
        return choice

    return list(_asked(ask, list(chosen)))


def ask_yes(question: str, *, default: bool = True) -> bool:
    """Ended by Enter like all others: who types `y` and Enter must not answer the next question too."""

    def ask(offered: bool) -> bool:
        return bool(_answer(questionary.confirm(shown_line(question), default=offered, auto_enter=False)))

    return bool(_asked(ask, default))


def _asked(ask: Callable[[Any], Value], offered: Any) -> Value:
    here = _current.get()
    answer: Value = ask(offered) if here is None else here.take(ask, offered)
    return answer


def _answer(question: questionary.Question) -> Any:
    """The answer to a question of questionary's, which knows neither Esc nor narrow terminals."""
    application = question.application
    keys = KeyBindings()

    @keys.add("escape", eager=True)
    def back(event: KeyPressEvent) -> None:
        event.app.exit(exception=GoingBack())

    application.key_bindings = merge_key_bindings([*filter(None, [application.key_bindings]), keys])
    for window in application.layout.find_all_windows():
        if isinstance(window.content, FormattedTextControl):
            # Why an answer will not do is as long as it needs to be; so are the choices.
            window.wrap_lines = to_filter(True)
            window.height = Dimension(min=1) if window.height == 1 else window.height
    return question.unsafe_ask()


class _Checked(Validator):
    """A check of ours where prompt_toolkit wants one of its own."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def validate(self, document: Document) -> None:
        try:
            self._check(document.text.strip())
        except ValueError as error:
            raise ValidationError(message=str(error), cursor_position=len(document.text)) from None
