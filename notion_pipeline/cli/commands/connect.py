"""`notion-pipeline connect`: authorises a workspace in the browser, or keeps an internal connection's token."""

from __future__ import annotations

import os
import select
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import click

from notion_pipeline.accounts.callback_server import CallbackServer, can_be_served
from notion_pipeline.accounts.oauth_client import OAuthClient
from notion_pipeline.accounts.oauth_flow import Authorization, Connected
from notion_pipeline.accounts.onboarding import AccountSetup, keep_token
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import TokenStore, open_store
from notion_pipeline.cli import CommandError
from notion_pipeline.cli.terminal import echo
from notion_pipeline.cli.wizard.account import ADDING
from notion_pipeline.config.account import DEFAULT_TOKEN_VARIABLE, EnvReference, TokenAccount
from notion_pipeline.config.sources import Source, Sources, load_sources
from notion_pipeline.errors import AuthorizationError, ConfigError
from notion_pipeline.project import Project, find_project
from notion_pipeline.redaction import is_token, keep_secret

DEFAULT_WAIT = 300
_POLL_SECONDS = 0.1


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--source", metavar="NAME", help="The source of sources.yaml that the account is for.")
@click.option("--no-browser", is_flag=True, help="Only print the address; the one it ends at can be pasted here.")
@click.option(
    "--token", "from_input", is_flag=True, help="Keep an internal connection's token, read from a prompt or the input."
)
@click.option(
    "--variable",
    metavar="NAME",
    help="With --token: the variable that it stands in for; by default that of the source, or NOTION_TOKEN.",
)
@click.option(
    "--wait",
    type=click.IntRange(1, 86_400),
    default=DEFAULT_WAIT,
    show_default=True,
    metavar="SECONDS",
    help="How long Notion's answer is waited for.",
)
def connect(*, source: str | None, no_browser: bool, from_input: bool, variable: str | None, wait: int) -> None:
    """Connect a Notion workspace: sign in, choose pages, press Allow.

    The tokens are kept under NOTION_PIPELINE_HOME, encrypted where NOTION_PIPELINE_KEY is set.
    """
    project = find_project()
    sources = load_sources(project)
    wanted = sources.source(source) if source else None
    store = open_store(project)
    if variable is not None and not from_input:
        raise click.UsageError("--variable goes with --token.")
    if from_input:
        _keep_given_token(project, sources, wanted, store, variable)
        return
    client = OAuthClient.of(project)
    _check_that_it_keeps(store)
    adding = bool(click.get_current_context().meta.get(ADDING))
    setup = AccountSetup(client, project, store, sources, wanted, adding)
    command = f"notion-pipeline connect{f' --source {source}' if source else ''}"
    authorization = Authorization(client, setup.keep, command=command)
    connected = _outcome(authorization, client.redirect_uri, wait=wait, opens_browser=not no_browser)
    _tell(connected, store, wanted)


def _check_that_it_keeps(store: TokenStore) -> None:
    """Opens the token store before the authorisation: tokens that cannot be kept must not be asked for."""
    store.accounts()
    release = store.try_lock("connect")
    if release is not None:
        release()


def _outcome(authorization: Authorization, redirect_uri: str, *, wait: int, opens_browser: bool) -> Connected:
    """The result of the authorisation.

    Raises:
        AuthorizationError: It was cancelled, refused, or nobody answered in time.
    """
    with ExitStack() as stack:
        server = _listening(stack, authorization, redirect_uri, must_listen=opens_browser)
        echo(f"Open this address in a browser, choose pages there and allow access:\n\n{authorization.url}\n")
        pastes = server is None or not opens_browser or not _open(authorization.url)
        if pastes:
            echo(
                f"On another machine the browser ends at an address it cannot open, {redirect_uri}?...\n"
                "Paste that whole address here and press Enter."
            )
        echo(f"Waiting for Notion, {wait} seconds at most; Ctrl-C ends it.")
        _wait(authorization, server, wait, _pasted() if pastes else None)
    if isinstance(authorization.outcome, Connected):
        return authorization.outcome
    if authorization.outcome is not None:
        raise authorization.outcome
    raise AuthorizationError(
        f"Nobody allowed access within {wait} seconds; nothing was connected.",
        hint="Run the command again, with a longer --wait if need be.",
    )


def _listening(
    stack: ExitStack, authorization: Authorization, redirect_uri: str, *, must_listen: bool
) -> CallbackServer | None:
    """The server that waits for the browser; None where the address is another machine's, or taken and not needed."""
    if not can_be_served(redirect_uri):
        return None
    try:
        return stack.enter_context(CallbackServer(redirect_uri, authorization.answer))
    except ConfigError:
        if must_listen:
            raise
        return None


def _open(url: str) -> bool:
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False


def _wait(
    authorization: Authorization, server: CallbackServer | None, seconds: int, pasted: Iterator[str | None] | None
) -> None:
    """Waits until the browser's visit or a pasted address ends the flow, or the time is over."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        line = next(pasted, None) if pasted is not None else None
        if line and _take(authorization, line):
            return
        if server is not None and server.done.wait(_POLL_SECONDS if pasted is None else 0.0):
            return


def _take(authorization: Authorization, line: str) -> bool:
    """Whether a pasted address ended the flow; says why where it did not."""
    keep_secret(line)
    try:
        query = urlsplit(line).query
    except ValueError:
        query = ""
    if "=" not in query:
        echo("That is not the address: it begins with the redirect URI, and has a ? in it. Paste it whole.")
        return False
    reply = authorization.answer(query)
    if not reply.ends:
        echo(reply.text())
    return reply.ends


def _pasted() -> Iterator[str | None]:
    """Lines of standard input as they come; None after each moment without one."""
    ended = False
    try:
        descriptor: int | None = sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):
        descriptor = None
    pending = b""
    while True:
        if ended or descriptor is None:
            lines = [] if ended else sys.stdin.read().splitlines()
            ended = True
            yield from (line.strip() for line in lines)
            time.sleep(_POLL_SECONDS)
            yield None
            continue
        # Not readline in a thread: one that still reads when the command is over would hold up its end.
        if not select.select([descriptor], [], [], _POLL_SECONDS)[0]:
            yield None
            continue
        got = os.read(descriptor, 65_536)
        ended = not got
        *lines_got, pending = (pending + got + (b"\n" if ended else b"")).split(b"\n")
        yield from (line.decode("utf-8", "replace").strip() for line in lines_got)


def _tell(connected: Connected, store: TokenStore, wanted: Source | None) -> None:
    echo(connected.reply.text())
    account = connected.account
    twins = [other for other in store.accounts() if _is_twin(other, account)]
    for twin in twins:
        echo(
            f"{account.label} is connected by {twin.owner or 'another token'} as well: put an id in the workspace's "
            f"place in sources.yaml ({account.bot_id} is this one), or end the other one with "
            f"`notion-pipeline disconnect {twin.bot_id}`."
        )
    if wanted is not None and connected.reply.code and not isinstance(wanted.account, TokenAccount):
        raise CommandError(f'Source "{wanted.name}" still reads another workspace; see above for its account.')


def _is_twin(other: StoredAccount, account: StoredAccount) -> bool:
    return other.bot_id != account.bot_id and other.workspace_id == account.workspace_id


def _keep_given_token(
    project: Project, sources: Sources, wanted: Source | None, store: TokenStore, named: str | None
) -> None:
    """Reads a token, tries it, and keeps it in the place of the variable that its source names."""
    source = wanted or sources.sources[0]
    own = source.account.token.env if isinstance(source.account, TokenAccount) else ""
    variable = named or own or DEFAULT_TOKEN_VARIABLE
    token = _read_token(lambda: click.prompt("Token of the internal connection", hide_input=True, err=True))
    account, visible = keep_token(token, variable, project, store)
    echo(f"Connected to {account.label}.\n{visible}")
    readers = [entry.name for entry in sources.sources if entry.account == _token_account(variable)]
    if readers:
        echo(f"It stands in for {variable}, where that is not set. Run `notion-pipeline sync`.")
        if project.environ.get(variable, "").strip():
            echo(f"{variable} is set, and goes before: take it away for the stored token to be used.")

    elif project.sources_file.exists():
        echo(
            f"No source reads it yet: `notion-pipeline add --change --name {source.name} --token-env {variable}` makes "
            f"source {source.name} do so."
        )


def _token_account(variable: str) -> TokenAccount:
    return TokenAccount(token=EnvReference(env=variable))


def _read_token(prompt: Callable[[], str]) -> str:
    given = prompt() if sys.stdin.isatty() else sys.stdin.readline()
    token = given.strip()
    keep_secret(token)
    if not is_token(token):
        raise CommandError("That is no token: it must be one word of visible ASCII characters, without quotes.")
    return token
