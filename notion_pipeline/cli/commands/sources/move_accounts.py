"""`notion-pipeline move-accounts`: moves connected accounts from this machine's folder to where the state is shared."""

from __future__ import annotations

import click

from notion_pipeline.accounts.moving import move_account
from notion_pipeline.accounts.stores.file_store import FileTokenStore
from notion_pipeline.accounts.stores.token_store import folder_store, open_store
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.commands.sources.source_state import check_idle, confirm, instance_of
from notion_pipeline.cli.terminal import echo
from notion_pipeline.config.sources import load_sources
from notion_pipeline.project import find_project


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--yes", is_flag=True, help="Do it without a question.")
def move_accounts(*, yes: bool) -> None:
    """Move connected accounts from this machine's folder into the PostgreSQL that `state:` names.

    Each is sealed with NOTION_PIPELINE_KEY, saved, read back and compared, and only then removed from the folder:
    Notion takes a refresh token once, so it must be in one place. Where both have an account, the newer tokens are
    kept. No sync may run meanwhile. If the command is cut short, it goes on when it is called again.
    """
    project = find_project()
    old, new = folder_store(project), open_store(project)
    if isinstance(new, FileTokenStore):
        raise CommandError(
            "Accounts stay in the folder of this machine: `state:` and NOTION_PIPELINE_STATE name no PostgreSQL."
        )
    found = old.accounts()
    if not found:
        echo("No account is in the folder of this machine.")
        return
    sources = load_sources(project)
    with instance_of(project) as instance:
        for entry in sources.sources:
            check_idle(sources.open_state(project), instance, entry.name)
    echo(f"To be moved: {', '.join(account.label for account in found)}.")
    confirm("Move them?", yes=yes)
    for account in found:
        if move_account(account.bot_id, old, new) is not None:
            echo(f"{account.label} is moved, and removed from the folder.")
    echo("Give every other machine the same state and the same key before it syncs.")
