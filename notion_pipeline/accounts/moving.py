"""Moves accounts from one store into another: copied, compared, and only then forgotten where they were.

Notion takes a refresh token once, so an account must never be in two places that both refresh it.
"""

from __future__ import annotations

from notion_pipeline.accounts.onboarding import locked
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import TokenStore, room_for, save_surely
from notion_pipeline.accounts.uninterrupted import uninterrupted
from notion_pipeline.errors import StateError


def move_account(bot_id: str, old: TokenStore, new: TokenStore) -> StoredAccount | None:
    """Moves one account, under its lock in both stores; where both have it, the pair that was received last is kept.

    Returns:
        The account as the new store has it; None where the old one has it no longer.

    Raises:
        StateError: The new store gives back another account than it was given; the old one keeps it.
        NotionPipelineError: A store cannot be used; the old one keeps it.
    """
    with locked(old, bot_id), locked(new, bot_id), room_for(new, bot_id), uninterrupted("the tokens that are moved"):
        account = old.load(bot_id)
        if account is None:
            return None
        kept = new.load(bot_id)
        if kept is None or kept.refreshed_at < account.refreshed_at:
            save_surely(new, account)
            kept = new.load(bot_id)
            if kept != account:
                raise StateError(
                    f"The tokens of {account.label} are not the same where they were moved to.",
                    hint="They are kept where they were. Try again.",
                )
        old.forget(bot_id)
        return kept
