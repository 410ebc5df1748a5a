"""A PostgreSQL of the test's own: Debian's package, a folder and a port that end with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
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


class Server:
    """A server on 127.0.0.1, whose superuser `notion` needs no password there.

    Args:
        folder: An empty one of its own.
    """

    def __init__(self, folder: Path) -> None:
        bin_folder = programs()
        assert bin_folder is not None, NOT_INSTALLED
        self.port = free_port()
        self._programs, self._folder, self._data = bin_folder, folder, folder / "data"
        is_root = os.geteuid() == 0
        self._as_user = ["runuser", "-u", SERVER_USER, "--"] if is_root else []
        if is_root:
            shutil.chown(folder, SERVER_USER)
        self._run("initdb", "-U", "notion", "-A", "trust", "-N")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Comes back when it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), "-F"]
        where = ["-k", str(self._folder), "-h", "127.0.0.1"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, *command, *where],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        give_up_at = time.monotonic() + PATIENCE
        ready = [str(self._programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < give_up_at, self._log.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends every connection, whatever is under way in it."""
        assert self._process is not None
        if self._process.poll() is None:
            self._run("pg_ctl", "stop", "-m", "fast")
        self._process.wait(timeout=60)

    def count_statements(self) -> None:
        """From now on what clients send is logged."""
        query(self.port, "ALTER SYSTEM SET log_statement = 'all'")
        query(self.port, "SELECT pg_reload_conf()")

    def statements(self) -> int:
        """How many statements were logged so far."""
        said = self._log.read_text(encoding="utf-8", errors="replace")
        return sum(("LOG:  statement:" in line or "LOG:  execute " in line) for line in said.splitlines())

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def _run(self, program: str, *options: str) -> None:
        command = [*self._as_user, str(self._programs / program), "-D", str(self._data), *options]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A server that runs, with a folder and a port that end with it."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        server = Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[int]:
    """The port of one."""
    with postgres_server() as server:
        yield server.port


def query(port: int, sql: str, database: str = "postgres") -> list[str]:
    """The lines that psql prints for a query, columns parted by a bar."""
    bin_folder = programs()
    assert bin_folder is not None, NOT_INSTALLED
    command = [str(bin_folder / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "notion", "-d", database]
    done = subprocess.run([*command, "-X", "-A", "-t", "-c", sql], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
