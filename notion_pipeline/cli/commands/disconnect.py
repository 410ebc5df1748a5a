"""`notion-pipeline disconnect`: revokes an authorisation in Notion, and deletes its tokens whatever Notion answers."""

from __future__ import annotations

from collections.abc import Sequence

import click

from notion_pipeline.accounts.credentials import connected_account
from notion_pipeline.accounts.oauth_client import OAuthClient, OAuthRefusedError, with_retries
from notion_pipeline.accounts.onboarding import locked
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import forget_use, open_store
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.terminal import echo
from notion_pipeline.config.account import OAuthAccount
from notion_pipeline.config.shared_state import project_state
from notion_pipeline.config.sources import load_sources
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.project import Project, find_project


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("workspace", required=False)
@click.option("--source", metavar="NAME", help="The source of sources.yaml whose account it is.")
def disconnect(*, workspace: str | None, source: str | None) -> None:
    """End the connection to a workspace and forget its tokens.

    WORKSPACE is a name or an id as `notion-pipeline accounts` shows it; without it, the only one that is connected.
    Tables stay as they are.
    """
    project = find_project()
    store = open_store(project)
    account = _meant(store.accounts(), workspace, source, project)
    with locked(store, account.bot_id):
        # The account is loaded again, since a sync may have refreshed it meanwhile.
        account = store.load(account.bot_id) or account
        said = _revoked(account, project)
        store.forget(account.bot_id)
    forget_use(project_state(project), account.bot_id)
    echo(f"{said} The tokens of {account.label} are forgotten here; all tables stay.")


def _meant(
    accounts: Sequence[StoredAccount], workspace: str | None, source: str | None, project: Project
) -> StoredAccount:
    if not accounts:
        raise CommandError("No account is connected.")
    if source is not None:
        settings = load_sources(project).source(source).account
        if isinstance(settings, OAuthAccount):
            return connected_account(settings.workspace, accounts, source)
        kept = [account for account in accounts if account.variable == settings.token.env]
        if not kept:
            raise CommandError(f'Source "{source}" reads with the token in {settings.token.env}; nothing is stored.')
        return kept[-1]
    found = [account for account in accounts if workspace is None or account.goes_by(workspace)]
    if len(found) == 1:
        return found[0]
    shown = "; ".join(f"{account.label} {account.bot_id}" for account in accounts)
    problem = (
        f'No connected account goes by "{workspace}".' if not found else "Several accounts fit; name one by its id."
    )
    raise CommandError(f"{problem} There are: {shown}.")


def _revoked(account: StoredAccount, project: Project) -> str:
    """Revokes it and says in a sentence what Notion answered; the tokens are deleted in any case."""
    if account.variable:
        return "An internal connection ends in Notion alone (Settings, Connections)."
    try:
        ends_by = _revoke(account, OAuthClient.of(project))
    except NotionPipelineError as error:
        return (
            f"Notion could not be asked to end the connection: {error.message} "
            "Remove it there yourself (Settings, Connections)."
        )
    return "The connection is ended in Notion." if ends_by else "Notion had ended the connection already."


def _revoke(account: StoredAccount, client: OAuthClient) -> bool:
    """Revokes both tokens, since an access token may have expired; True where Notion still knew one of them."""
    known = False
    for token in (account.refresh_token, account.access_token):
        if token is None:
            continue
        try:
            with_retries(lambda token=token: client.revoke(token))  # type: ignore[misc]
            known = True
        except OAuthRefusedError as refusal:
            if refusal.code in ("invalid_client", "unauthorized_client"):
                raise
    return known
