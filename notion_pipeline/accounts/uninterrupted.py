"""Work that no signal cuts short: an exchange of tokens with Notion, until what it gave is kept.

Ctrl-C, SIGTERM and SIGHUP end a process by an exception in its main thread, each further one cuts short what the one
before began: closing an event loop, joining threads. Work in the main thread holds them back till it is done. Work in
another thread goes on meanwhile, and the interpreter's exit waits for it, whatever is sent then. SIGKILL is another
matter.
"""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_under_way: set[threading.Event] = set()


@contextmanager
def uninterrupted(what: str) -> Iterator[None]:
    """What is done within is done to its end; signals that came meanwhile take effect afterwards.

    Args:
        what: Is told on standard error where somebody has to wait for it ("Waiting for ...").
    """
    done = threading.Event()
    _under_way.add(done)
    try:
        if threading.current_thread() is threading.main_thread():
            with _held_back(lambda: _tell(what)):
                yield
        else:
            yield
    finally:
        _under_way.discard(done)
        done.set()


def is_under_way() -> bool:
    """Whether the end of this process has to wait, so that signals must not get their default handlers back."""
    return bool(_under_way)


@contextmanager
def _held_back(on_first: Callable[[], None]) -> Iterator[None]:
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if not came:
            on_first()
        came.append(number)

    before: dict[int, Any] = {}
    try:
        for number in _SIGNALS:
            # None: not set by Python, so that nothing here could set it back.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, note)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


def _tell(what: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"Waiting for {what} ...\n")
        sys.stderr.flush()


@atexit.register
def _finish() -> None:
    """Waits for what is under way in other threads, which the interpreter would stop now."""
    if not _under_way:
        return
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _tell("tokens that Notion is giving, so that they are not lost")
    for done in list(_under_way):
        done.wait()
