"""The process of a command: its folder, its environment variables, and the signals that end it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from notion_pipeline.accounts.uninterrupted import is_under_way

_ENDS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Makes `folder` the current folder: relative paths of dagster.yaml start there, as they do under `dagster dev`."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Replaces the environment variables of the process by these."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environ)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Makes SIGTERM and the closing of the terminal do what Ctrl-C does.

    No run is then shown as running for ever, and no exchange of tokens is cut short (see `uninterrupted`).
    """
    if threading.current_thread() is not threading.main_thread():  # where signals are somebody else's
        yield
        return
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in _ENDS
        if signal.getsignal(number) == signal.SIG_DFL or number == signal.SIGTERM
    }
    try:
        yield
    finally:
        for number, handler in before.items() if not is_under_way() else ():
            signal.signal(number, handler)
