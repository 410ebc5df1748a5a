"""Questions in a terminal: the few kinds that the wizard asks, by questionary.

Ctrl-C raises KeyboardInterrupt wherever it is pressed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import questionary
from prompt_toolkit.application import get_app
from prompt_toolkit.document import Document
from prompt_toolkit.validation import ValidationError, Validator

Value = TypeVar("Value")
Check = Callable[[str], object]

_SEARCH_HELP = "(type to filter, space to choose, Ctrl-A for all, Enter when done)"


def ask_text(question: str, *, default: str = "", check: Check | None = None, longest: int | None = None) -> str:
    """A line of text.

    Args:
        check: Raises ValueError for a line that will not do; the line is kept for mending.
        longest: Counted below the line while one types.
    """

    def counted() -> str:
        typed = len(get_app().current_buffer.text)
        return f"{typed} of {longest} characters" + (", too long" if longest and typed > longest else "")

    answer = questionary.text(
        question,
        default=default,
        validate=_Checked(check) if check else None,
        bottom_toolbar=counted if longest else None,
    ).unsafe_ask()
    return str(answer).strip()


def ask_secret(question: str, *, check: Check | None = None) -> str:
    """A line that is not shown."""
    return str(questionary.password(question, validate=_Checked(check) if check else None).unsafe_ask()).strip()


def ask_one(question: str, choices: Mapping[str, Value], *, default: Value | None = None) -> Value:
    """One of several, by the words that are shown."""
    first = next((words for words, value in choices.items() if value == default), None)
    chosen = questionary.select(question, choices=list(choices), default=first).unsafe_ask()
    return choices[str(chosen)]


def ask_several(
    question: str, choices: Mapping[str, str], *, chosen: Sequence[str] = (), at_least_one: bool = False
) -> list[str]:
    """Some of many, in a checklist that is searched by typing.

    Args:
        choices: Words by value; what is typed may be any part of them.
        chosen: Values that are ticked at first.
    """

    def enough(ticked: Sequence[str]) -> bool | str:
        return bool(ticked) or not at_least_one or "Choose at least one, with the space bar."

    ticked = questionary.checkbox(
        question,
        choices=[questionary.Choice(words, value=value, checked=value in chosen) for value, words in choices.items()],
        validate=enough,
        use_search_filter=True,
        use_jk_keys=False,
        instruction=_SEARCH_HELP,
    ).unsafe_ask()
    return [str(value) for value in ticked]


def ask_yes(question: str, *, default: bool = True) -> bool:
    """Ended by Enter like all others: who types `y` and Enter must not answer the next question too."""
    return bool(questionary.confirm(question, default=default, auto_enter=False).unsafe_ask())


class _Checked(Validator):
    """A check of ours where prompt_toolkit wants one of its own."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def validate(self, document: Document) -> None:
        try:
            self._check(document.text.strip())
        except ValueError as error:
            raise ValidationError(message=str(error), cursor_position=len(document.text)) from None
