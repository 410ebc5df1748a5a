"""The wizard's first step: which account a source reads. One that is not connected yet is connected here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import click

from notion_pipeline.accounts.credentials import credential_of
from notion_pipeline.accounts.onboarding import keep_token
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import open_store
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.terminal import echo
from notion_pipeline.cli.wizard.prompts import GoingBack, ask_one, ask_secret, ask_text
from notion_pipeline.config.account import DEFAULT_TOKEN_VARIABLE, TokenAccount
from notion_pipeline.config.fields.values import check_variable
from notion_pipeline.config.sources import Source
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.messages import quoted
from notion_pipeline.project import Project
from notion_pipeline.redaction import is_token, keep_secret

Account = dict[str, Any]
#: In the meta of a click context: a source is being set up, and will be written by who asked for the connection.
ADDING = "notion_pipeline.cli.wizard.account.adding"


def token_account(variable: str) -> Account:
    return {"type": "token", "token": {"env": variable}}


def oauth_account(workspace: str) -> Account:
    return {"type": "oauth", "workspace": workspace}


def ask_account(project: Project, name: str, present: Account | None, connect: click.Command) -> Account:
    """An account of the project, or one that is connected or kept now."""
    choices: dict[str, Callable[[], Account]] = {
        words: partial(dict, account) for account, words in _known(project, present)
    }
    choices["Connect a workspace in the browser now"] = lambda: connected_now(project, connect)
    choices["Enter the token of an internal connection now"] = lambda: _kept_now(project, name)
    choices["The token is in another variable"] = lambda: token_account(
        ask_text("Which variable", check=check_variable)
    )
    while True:
        way = ask_one("Account: how is Notion reached?", choices)
        with suppress(GoingBack):
            return way()


def _known(project: Project, present: Account | None) -> list[tuple[Account, str]]:
    """Accounts that work as they are, that of the source first."""
    kept = open_store(project).accounts()
    found = [
        (oauth_account(_reference(account, kept)), f"Workspace {account.label}, connected")
        for account in kept
        if not account.variable
    ]
    variables = [DEFAULT_TOKEN_VARIABLE, *(account.variable for account in kept if account.variable)]
    found += [
        (token_account(variable), f"The token in {variable}")
        for variable in dict.fromkeys(variables)
        if _has_token(variable, project)
    ]
    if present and all(account != present for account, _ in found):
        found.insert(0, (present, "As it is in sources.yaml"))
    return sorted(found, key=lambda choice: choice[0] != present)


def _reference(account: StoredAccount, kept: list[StoredAccount]) -> str:
    """What tells an account from the others in sources.yaml: the workspace's name, else an id."""
    for name in (account.workspace_name, account.workspace_id):
        if name and sum(other.goes_by(name) for other in kept) == 1:
            return name
    return account.bot_id


def _has_token(variable: str, project: Project) -> bool:
    try:
        credential_of(Source(name="draft", account=TokenAccount.model_validate(token_account(variable))), project)
    except NotionPipelineError:
        return False
    return True


def connected_before(project: Project, workspace: str) -> Account:
    """The account of a workspace by name or id.

    Raises:
        CommandError: None is connected; a source that is not there yet cannot be connected for.
    """
    kept = open_store(project).accounts()
    if any(account.goes_by(workspace) for account in kept):
        return oauth_account(workspace)
    labels = sorted({account.label for account in kept if not account.variable})
    raise CommandError(
        f"No account is connected for workspace {quoted(workspace)}. `notion-pipeline connect` connects it"
        + (f"; connected are: {', '.join(labels)}." if labels else ".")
    )


def connected_now(project: Project, connect: click.Command) -> Account:
    """The account of the flow in the browser, as the command `connect` makes it.

    Raises:
        CommandError: Nothing was connected.
    """
    before = {account.bot_id: account.refreshed_at for account in open_store(project).accounts()}
    context = click.get_current_context()
    context.meta[ADDING] = True
    context.invoke(connect, source=None, no_browser=False, from_input=False, variable=None, wait=300)
    kept = open_store(project).accounts()
    fresh = [account for account in kept if before.get(account.bot_id) != account.refreshed_at]
    if not fresh:
        raise CommandError("Nothing was connected.")
    return oauth_account(_reference(max(fresh, key=lambda account: account.refreshed_at), kept))


def _kept_now(project: Project, name: str) -> Account:
    """Keeps a token that is typed in, as `connect --token` does, under a variable that is free."""
    taken = {account.variable for account in open_store(project).accounts()}
    is_free = DEFAULT_TOKEN_VARIABLE not in taken and not project.environ.get(DEFAULT_TOKEN_VARIABLE, "").strip()
    variable = DEFAULT_TOKEN_VARIABLE if is_free else f"{DEFAULT_TOKEN_VARIABLE}_{name.upper()}"
    token = ask_secret("Token", check=_check_token)
    keep_secret(token)
    account, visible = keep_token(token, variable, project, open_store(project))
    echo(f"The token of workspace {account.label} is kept in place of {variable}. {visible}")
    return token_account(variable)


def _check_token(text: str) -> None:
    if not is_token(text):
        raise ValueError("A token is one word of visible ASCII characters, without quotes.")
