"""What a place of shared state can do, whatever it is made of.

Keys of documents and names of locks are relative paths, such as `tables/notion.json` and
`locks/notion/<database id>.lock`. What is made of names that others gave goes through `private_files.file_name` first.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Protocol

LOCK_ENDING = ".lock"
POLL_SECONDS = 0.05


class Lock(Protocol):
    """A lock that this process holds. It ends with the process, however that ends."""

    def release(self, *, forget: bool = False) -> None:
        """Gives it back; may be called in any thread, and again.

        Args:
            forget: No trace of the lock is kept either: `lock_names` has it no more.
        """

    def is_held(self) -> bool:
        """Whether it was held without a gap until now. What lost it for a moment may have let another one in.

        Raises:
            StateError: The state cannot be reached.
        """


class State(Protocol):
    """Documents, locks and budgets that all processes of a project share. Any thread may use it.

    Every method raises StagingError where the folder cannot be used, and StateError where the server cannot.

    Attributes:
        place: Where it is, for messages; without any secret.
        spans_machines: Whether processes on several machines share it, while files of their own stay apart.
    """

    @property
    def place(self) -> str: ...

    @property
    def spans_machines(self) -> bool: ...

    def now(self) -> float:
        """Epoch seconds by the clock that all who share the state go by."""

    def read(self, key: str) -> bytes | None:
        """A document; None where there is none, or it cannot be read."""

    def write(self, key: str, data: bytes) -> None:
        """Puts a document in place of the one before: readers see the one or the other, whole."""

    def remove(self, key: str) -> None:
        """Removes a document, if it is there."""

    def version(self, key: str) -> Hashable | None:
        """Another one after each write; None where there is no document. Cheap."""

    def written_at(self, key: str) -> float | None:
        """When a document was written last, as `now` has it; None where there is none."""

    def keys(self, folder: str) -> list[str]:
        """The keys below a folder, sorted."""

    def try_lock(self, name: str, *, shared: bool = False, known: bool = False) -> Lock | None:
        """Takes a lock at once, or not at all: None while another holder has it, in this process too.

        Args:
            shared: Beside others that share it; a holder that does not share it excludes them all.
            known: Not where the lock was never taken, or forgotten.
        """

    def is_locked(self, name: str) -> bool:
        """Whether anybody holds the lock, shared or not; leaves no trace of having asked."""

    def lock_names(self, folder: str) -> list[str]:
        """The locks below a folder that were taken and not forgotten, held or not, sorted."""

    def forget_locks(self, folder: str) -> None:
        """Forgets the locks below a folder. Nobody should hold one of them."""

    def next_turn(self, account: str, interval: float) -> float:
        """Reserves the next moment at which a request of the account may go; the seconds until then.

        Args:
            interval: Seconds that are kept free after it.
        """


def wait_for_lock(state: State, name: str, *, shared: bool = False) -> Lock:
    """Takes a lock, however long another holder has it; blocks the thread."""
    while (lock := state.try_lock(name, shared=shared)) is None:
        time.sleep(POLL_SECONDS)
    return lock
