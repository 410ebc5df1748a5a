"""A PostgreSQL for the benchmarks: Debian's package, in a folder and on a port that end with the context."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

#: The server refuses to run as root; Debian's package brings this user.
_SERVER_USER = "postgres"
_USER = "notion"
_STARTS_WITHIN = 60.0
#: DuckDB's statements carry their numbers, so that there are many; each takes half a kilobyte.
_STATEMENTS_KEPT = 100_000


@dataclass(frozen=True)
class Postgres:
    """A server on 127.0.0.1 whose superuser needs no password there.

    Attributes:
        counts_statements: Whether it has the extension that counts them.
    """

    port: int
    counts_statements: bool

    def create_database(self, name: str) -> None:
        self.ask(f'CREATE DATABASE "{name}"')

    def lake(self, database: str) -> str:
        """The catalog in one of its databases, as sources.yaml names it."""
        return f"ducklake:postgres:dbname={database} host=127.0.0.1 port={self.port} user={_USER}"

    def address(self, database: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def ask(self, sql: str, database: str = "postgres") -> list[tuple[int, ...]]:
        """The rows of a query whose columns are whole numbers; none for a command."""
        import psycopg2  # noqa: PLC0415 - an extra

        with closing(psycopg2.connect(self.address(database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                if cursor.description is None:
                    return []
                return [tuple(int(value or 0) for value in row) for row in cursor.fetchall()]

    def statements(self, database: str) -> int | None:
        """How many statements its clients have sent to a database; None where nothing counts them."""
        if not self.counts_statements:
            return None
        found = self.ask(
            "SELECT sum(calls) FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid "
            f"WHERE datname = '{database}'"
        )
        return found[0][0]

    def megabytes(self, database: str) -> float:
        return self.ask(f"SELECT pg_database_size('{database}')")[0][0] / 2**20


def missing() -> str | None:
    """What stands in the way of a server; None where nothing does."""
    if _programs() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if find_spec("psycopg2") is None:
        return "psycopg2 is not installed (the extra `postgres`)"
    return None


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server with its defaults, as Debian installs it: every commit is on the disk when it is answered."""
    programs = _programs()
    if programs is None:
        raise SystemExit(missing())
    as_user = ["runuser", "-u", _SERVER_USER, "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="notion-pipeline-benchmark-postgres-"))
    try:
        if as_user:
            shutil.chown(folder, _SERVER_USER)
        data = str(folder / "data")
        _run([*as_user, str(programs / "initdb"), "-D", data, "-U", _USER, "-A", "trust", "-N"], folder)
        counts = (programs.parent / "lib" / "pg_stat_statements.so").is_file()
        port = _free_port()
        settings = ["-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
        if counts:
            settings += ["-c", "shared_preload_libraries=pg_stat_statements"]
            settings += ["-c", f"pg_stat_statements.max={_STATEMENTS_KEPT}"]
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(  # noqa: S603
                [*as_user, str(programs / "postgres"), "-D", data, *settings],
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _wait(server, [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"], folder)
            found = Postgres(port, counts)
            if counts:
                found.ask("CREATE EXTENSION pg_stat_statements")
            yield found
        finally:
            if server.poll() is None:
                _run([*as_user, str(programs / "pg_ctl"), "stop", "-D", data, "-m", "fast"], folder)
            server.wait(timeout=_STARTS_WITHIN)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The folder of `initdb` and `postgres`, which Debian puts into no PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    elsewhere = shutil.which("initdb")
    if not found and elsewhere:
        found = [Path(elsewhere).resolve()]
    return found[-1].parent if found else None


def _wait(server: subprocess.Popen[bytes], ready: Sequence[str], folder: Path) -> None:
    give_up_at = time.monotonic() + _STARTS_WITHIN
    while subprocess.run(ready, check=False).returncode:  # noqa: S603
        if server.poll() is not None or time.monotonic() > give_up_at:
            raise SystemExit(f"PostgreSQL does not start:\n{(folder / 'server.log').read_text(encoding='utf-8')}")
        time.sleep(0.1)


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
