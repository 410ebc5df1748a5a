"""The two places that keep accounts, for tests of what both promise: a folder, and a database of a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from notion_pipeline.accounts.stores.token_store import TokenStore, open_store
from notion_pipeline.project import find_project
from notion_pipeline_tests.support.processes.postgres import query

KEY = "a passphrase of any kind"


@dataclass(frozen=True)
class Place:
    """Where one project's accounts are kept, whatever folder or machine the project is on."""

    root: Path
    environ: dict[str, str]
    #: Everything that was written there.
    written: Callable[[], bytes]

    def store(self, key: str = KEY) -> TokenStore:
        self.root.mkdir(exist_ok=True)
        return open_store(find_project(self.root, {**self.environ, "NOTION_PIPELINE_KEY": key}))


def folder(root: Path) -> Place:
    home = root / "home"

    def written() -> bytes:
        return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())

    return Place(root, {"NOTION_PIPELINE_HOME": str(home)}, written)


def database(root: Path, port: int, name: str) -> Place:
    def written() -> bytes:
        rows = query(port, "SELECT bot_id, convert_from(sealed, 'UTF8') FROM notion_pipeline_state.accounts", name)
        return "\n".join(rows).encode()

    return Place(root, {"NOTION_PIPELINE_STATE": address(port, name)}, written)


def address(port: int, name: str = "postgres") -> str:
    return f"postgresql://notion:unused-password@127.0.0.1:{port}/{name}"


@contextmanager
def held(store: TokenStore, bot_id: str) -> Iterator[None]:
    """The account's lock, in this process."""
    release = store.try_lock(bot_id)
    assert release is not None
    try:
        yield
    finally:
        release()


def taken_by_a_thread(store: TokenStore, bot_id: str) -> bool:
    """Whether another thread of this process gets the lock; it gives it back."""
    found: list[bool] = []

    def take() -> None:
        release = store.try_lock(bot_id)
        found.append(release is not None)
        if release is not None:
            release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return found == [True]
