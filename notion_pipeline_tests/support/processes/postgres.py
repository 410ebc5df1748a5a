"""A PostgreSQL of the test's own: Debian's package, a folder and a port that end with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.ports import free_port

#: The server refuses to run as root; Debian's package brings this user.
SERVER_USER = "postgres"
NOT_INSTALLED = "PostgreSQL is not installed (Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which Debian puts into no PATH; None where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    elsewhere = shutil.which("initdb")
    if not found and elsewhere:
        found = [Path(elsewhere).resolve()]
    return found[-1].parent if found else None


@contextmanager
def postgres() -> Iterator[int]:
    """A server on 127.0.0.1, whose superuser `notion` needs no password there; its port."""
    bin_folder = programs()
    assert bin_folder is not None, NOT_INSTALLED
    is_root = os.geteuid() == 0
    as_user = ["runuser", "-u", SERVER_USER, "--"] if is_root else []
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if is_root:
            shutil.chown(folder, SERVER_USER)
        data = folder / "data"
        _run([*as_user, str(bin_folder / "initdb"), "-D", str(data), "-U", "notion", "-A", "trust", "-N"], folder)
        port = free_port()
        command = [str(bin_folder / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), "-F"]
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                [*as_user, *command, "-h", "127.0.0.1"], cwd=folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            give_up_at = time.monotonic() + PATIENCE
            ready = [str(bin_folder / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
            while subprocess.run(ready, check=False).returncode != 0:
                assert server.poll() is None, (folder / "server.log").read_text()
                assert time.monotonic() < give_up_at, (folder / "server.log").read_text()
                time.sleep(0.1)
            yield port
        finally:
            if server.poll() is None:
                _run([*as_user, str(bin_folder / "pg_ctl"), "stop", "-D", str(data), "-m", "fast"], folder)
            server.wait(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def query(port: int, sql: str, database: str = "postgres") -> list[str]:
    """The lines that psql prints for a query, columns parted by a bar."""
    bin_folder = programs()
    assert bin_folder is not None, NOT_INSTALLED
    command = [str(bin_folder / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "notion", "-d", database]
    done = subprocess.run([*command, "-X", "-A", "-t", "-c", sql], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
