"""Locks that keep two syncs of one database apart; one ends with the process that holds it."""

from __future__ import annotations

from notion_pipeline.notion_ids import notion_id
from notion_pipeline.state.interface import LOCK_ENDING, Lock, State


def lock_database(state: State, source: str, database_id: str) -> Lock | None:
    """Takes the lock of a database; None while another sync has it.

    Raises:
        InvalidIdError: The id is none.
        StagingError: The state cannot be used.
    """
    return state.try_lock(_name(source, database_id))


def is_locked(state: State, source: str, database_id: str) -> bool:
    """Whether any process is syncing the database now."""
    return state.is_locked(_name(source, database_id))


def _name(source: str, database_id: str) -> str:
    return f"locks/{source}/{notion_id(database_id, 'A database')}{LOCK_ENDING}"
