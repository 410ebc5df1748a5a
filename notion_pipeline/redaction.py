"""The one place that keeps secrets out of what is written: logs, errors, reprs, Dagster's events, crash reports.

A secret is known by its value from the moment it is read or received (`Secret`, `keep_secret`), and a token of
Notion's by its form as well, since one may turn up that this process never held. The known values are the one state
that a module here keeps: what one connection must not show, no other part of the process may show either.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections import OrderedDict
from types import TracebackType
from typing import Any, NoReturn
from urllib.parse import quote

from notion_pipeline.outside import shown

REDACTED = "***"
# Shorter values are words that ordinary text has as well.
SHORTEST_SECRET = 8
# Two tokens for each refresh: a process that runs for years must not collect them all.
MOST_SECRETS = 2_000

_LOOKS_LIKE_A_TOKEN = re.compile(r"(?<![A-Za-z])(?:(?:ntn|nrt)_[A-Za-z0-9_-]{6,}|secret_[A-Za-z0-9]{20,})")
_known: OrderedDict[str, None] = OrderedDict()
_lock = threading.Lock()


def keep_secret(*values: str) -> None:
    """From now on `redacted` takes these values out of every text."""
    with _lock:
        for value in values:
            for form in {value, quote(value, safe="")}:
                if len(form.strip()) >= SHORTEST_SECRET:
                    _known[form] = None
                    _known.move_to_end(form)
        while len(_known) > MOST_SECRETS:
            _known.popitem(last=False)


def redacted(text: str) -> str:
    """The text without any secret that is known, and without anything that looks like a token of Notion's."""
    with _lock:
        # The longest first: one may be part of another.
        found = sorted((value for value in _known if value in text), key=len, reverse=True)
    for value in found:
        text = text.replace(value, REDACTED)
    return _LOOKS_LIKE_A_TOKEN.sub(REDACTED, text)


def is_token(text: str) -> bool:
    """Whether a text can be a token: one word of visible ASCII characters, without quotes.

    A token is sent in a header, and the HTTP library would quote anything else in its own error.
    """
    return bool(text) and all("!" <= char <= "~" and char not in "\"'" for char in text)


class Secret:
    """A text that shows itself only to those who ask for it by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        keep_secret(value)
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({REDACTED})"

    def __str__(self) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written by accident: reveal it first")


def redact_error(error: BaseException | None) -> None:
    """Takes secrets out of the texts of an error and of those behind it, whoever raised them."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if any(_clean(value) is not value for value in current.args):
            current.args = tuple(_clean(value) for value in current.args)
        for name, value in list(getattr(current, "__dict__", {}).items()):
            if isinstance(value, (str, bytes)) and _clean(value) is not value:
                setattr(current, name, _clean(value))
        waiting += [current.__cause__, current.__context__]


def traceback_text(error: BaseException) -> str:
    """The traceback of an error as it may be written, those of its causes included."""
    redact_error(error)
    return shown(redacted("".join(traceback.format_exception(error)).rstrip("\n")))


def keep_secrets_unwritten() -> None:
    """From now on no log record and no crash report of this process holds a secret. May be called again."""
    make = logging.getLogRecordFactory()
    if isinstance(make, _RecordFactory):
        return
    logging.setLogRecordFactory(_RecordFactory(make))
    sys.excepthook = _hooked(sys.excepthook)
    threading.excepthook = _hooked_in_thread(threading.excepthook)


class _RecordFactory:
    """Makes log records whose text holds no secret and steers no terminal, whichever library logs."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        try:
            message = record.getMessage()
        except Exception:  # arguments that do not fit; the handler complains in the usual way
            return record
        clean = shown(redacted(message))
        if clean != message:
            record.msg, record.args = clean, None
        if record.exc_info and record.exc_info[1] is not None:
            redact_error(record.exc_info[1])
            # What a handler would make of it, once more: an error may word itself from other parts than its texts.
            told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            if (clean := shown(redacted(told))) != told:
                record.exc_text = clean
        return record


def _hooked(report: Any) -> Any:
    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        redact_error(error)
        report(kind, error, trace)

    return hook


def _hooked_in_thread(report: Any) -> Any:
    def hook(args: threading.ExceptHookArgs) -> None:
        redact_error(args.exc_value)
        report(args)

    return hook


def _clean(value: Any) -> Any:
    """The value itself where it holds no secret."""
    if isinstance(value, str):
        clean = redacted(value)
        return value if clean == value else clean
    if isinstance(value, bytes):
        text = value.decode("utf-8", "surrogateescape")
        clean = redacted(text)
        return value if clean == text else clean.encode("utf-8", "surrogateescape")
    return value
