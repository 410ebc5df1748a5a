"""What an error of DuckDB or of the system means for the catalog: who holds the file, what is missing, what to do."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from notion_pipeline.catalog.connection.file_lock import LockHeldError

_MEMORY_WORDS = ("failed to pin block", "could not allocate block")
_DISK_WORDS = ("No space left", "File too large", "Disk quota exceeded", "disk space")
_ACCESS_WORDS = ("Permission denied", "Read-only file system", "Operation not permitted")
_LOST_RACE = ("conflict", "could not serialize", "deadlock detected", "duplicate key", "maximum retry count")
#: What DuckDB begins with where two make the same lake at once, or set its options, and what PostgreSQL says then.
_MAKING = ("failed to initialize ducklake", "failed to insert config option")
_MADE_MEANWHILE = ("already exists", "duplicate key", "concurrent")
#: What the client of PostgreSQL says where its connection broke, or none can be made. DuckLake says of a commit that it
#: lost so nothing but that it cannot be rolled back.
_LOST_CONNECTION = (
    *("server closed the connection", "no connection to the server", "connection not open", "terminating connection"),
    *("connection to server", "unable to connect to postgres", "could not receive data from", "could not send data to"),
    *("ssl connection has been closed", "ssl syscall error", 'failed to execute query "rollback"'),
)
#: A server that is there, and takes nobody while it starts or stops.
_RESTARTING = ("the database system is starting", "the database system is shutting", "the database system is in rec")
_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


def is_busy(error: BaseException) -> bool:
    """Whether somebody else has the file open, by our lock or by DuckDB's alone."""
    if isinstance(error, duckdb.IOException):
        return "Could not set lock on file" in str(error)
    return isinstance(error, LockHeldError) or _is_open_here(error)


def is_brief(error: BaseException | None) -> bool:
    """Whether the file is free again in a moment, as a rule."""
    return error.is_brief if isinstance(error, LockHeldError) else _is_open_here(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory limit was too small. An error at COMMIT has another class, so its text is compared too."""
    return isinstance(error, duckdb.OutOfMemoryException) or any(words in str(error) for words in _MEMORY_WORDS)


def is_lost_race(error: BaseException) -> bool:
    """Whether another writer of a lake came first, be it with a commit or by making the lake."""
    said = str(error).lower()
    if any(words in said for words in _MAKING):
        return any(words in said for words in _MADE_MEANWHILE)
    return isinstance(error, duckdb.TransactionException) and any(words in said for words in _LOST_RACE)


def is_lost_connection(error: BaseException) -> bool:
    """Whether the server of a lake went away, or cannot be reached."""
    said = str(error).lower()
    if not isinstance(error, duckdb.Error) or is_restarting(error):
        return is_restarting(error)
    # What a server refuses for good it calls fatal: a password, a database that does not exist.
    is_refused = "fatal:" in said and "terminating connection" not in said
    return not is_refused and any(words in said for words in _LOST_CONNECTION)


def is_restarting(error: BaseException) -> bool:
    """Whether the server of a lake says that it starts or stops."""
    return isinstance(error, duckdb.Error) and any(words in str(error).lower() for words in _RESTARTING)


def _is_open_here(error: BaseException | None) -> bool:
    """Whether this process has the file open without our lock, or one of our readers is just closing it."""
    if isinstance(error, duckdb.ConnectionException):
        return "different configuration" in str(error)
    # The moment between two connections to one file; DuckDB's versions raise different classes for it.
    return isinstance(error, duckdb.Error) and "Unique file handle conflict" in str(error)


def holder(error: BaseException | None) -> str:
    """Who has the file open, for a message."""
    if isinstance(error, LockHeldError):
        return error.holder
    if (found := _HOLDER.search(str(error))) is not None:
        return f"{Path(found['program']).name} (PID {found['pid']})"
    return "this process" if _is_open_here(error) else "another process"


def reason(error: BaseException) -> str:
    """What DuckDB or the system says, in full and in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line.strip("^")) or type(error).__name__


def hint(error: BaseException) -> str:
    """What to do about an error, by what its text says and nothing else."""
    said = reason(error)
    unchanged = "Its content did not change."
    if any(words in said for words in _DISK_WORDS):
        return f"{unchanged} Free some disk space, then sync again."
    if any(words in said for words in _ACCESS_WORDS):
        return f"{unchanged} Give this user the right to write the file and its folder, then sync again."
    if isinstance(error, (duckdb.IOException, OSError)):
        return f"{unchanged} Check its path (NOTION_PIPELINE_CATALOG, or catalog: in sources.yaml), then sync again."
    if isinstance(error, duckdb.DependencyException):
        return f"{unchanged} Drop what depends on it, then sync again."
    return f"{unchanged} Correct what DuckDB names, then sync again."
