"""`notion-pipeline accounts`: which workspaces are connected, and whether Notion still lets each in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import click

from notion_pipeline.accounts.credentials import Credential, open_client
from notion_pipeline.accounts.oauth_client import OAuthClient, with_retries
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.accounts.stores.token_store import TokenStore, last_use, open_store
from notion_pipeline.cli.terminal import Record, echo, moment, output, print_records
from notion_pipeline.config.account import OAuthAccount
from notion_pipeline.config.sources import Sources, load_sources
from notion_pipeline.errors import AuthorizationError, NotionPipelineError, RetryableNotionError
from notion_pipeline.outside import shown_line
from notion_pipeline.project import Project, find_project

HEALTHY = "healthy"
_FILE_WIDTH = 10_000
_HEADINGS = ("Workspace", "Owner", "Connected since", "Last used", "Source", "Health", "Id")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def accounts() -> None:
    """Show the connected workspaces, and ask Notion whether each still works.

    Tokens are never shown. With a new key in front of NOTION_PIPELINE_KEY, all tokens are sealed with it afterwards.
    """
    project = find_project()
    store = open_store(project)
    sources = load_sources(project)
    kept = store.accounts()
    if not kept:
        echo("No account is connected. `notion-pipeline connect` connects one.")
        return
    readers = _readers(kept, sources)
    state = sources.open_state(project)
    health = _health_of_all(kept, readers, store, project)
    records = [
        _record(account, last_use(state, key), readers[key], health[key].word)
        for account in kept
        for key in [account.bot_id]
    ]
    print_records(output(_FILE_WIDTH), _HEADINGS, records)
    for account in kept:
        if why := health[account.bot_id].why:
            echo(f"\n{account.label} {account.bot_id}: {why}")


@dataclass(frozen=True)
class Health:
    """Whether an account works, in a word, and what is wrong where it does not."""

    word: str
    why: str = ""


def _record(account: StoredAccount, used: datetime | None, readers: Sequence[str], word: str) -> Record:
    owner = account.owner or (f"token in place of {account.variable}" if account.variable else "workspace")
    cells = (
        [shown_line(account.workspace_name or account.workspace_id)],
        [shown_line(owner)],
        [moment(account.connected_at)],
        [moment(used)],
        [", ".join(readers) or "none"],
        [word],
        [shown_line(account.bot_id)],
    )
    return Record(cells, styles={_HEADINGS.index("Health"): "green" if word == HEALTHY else "red"})


def _readers(kept: Sequence[StoredAccount], sources: Sources) -> dict[str, list[str]]:
    """The sources that read each account, by bot id."""
    return {
        account.bot_id: [
            source.name
            for source in sources.sources
            if (
                account.goes_by(source.account.workspace)
                if isinstance(source.account, OAuthAccount)
                else account.variable == source.account.token.env
            )
        ]
        for account in kept
    }


def _health_of_all(
    kept: Sequence[StoredAccount], readers: dict[str, list[str]], store: TokenStore, project: Project
) -> dict[str, Health]:
    async def ask() -> list[Health]:
        asking = [_health(account, "".join(readers[account.bot_id][:1]), store, project) for account in kept]
        return list(await asyncio.gather(*asking))

    return dict(zip((account.bot_id for account in kept), asyncio.run(ask()), strict=True))


async def _health(account: StoredAccount, source: str, store: TokenStore, project: Project) -> Health:
    """Asks users/me as a sync would, refresh included, and then Notion's introspection."""
    credential = Credential(account.bot_id, account)
    try:
        async with open_client(credential, project, source=source, counts_as_use=False) as client:
            await client.me()
        return Health(HEALTHY) if account.variable else await _introspected(account, store, project)
    except AuthorizationError as error:
        return Health("disconnected", str(error))
    except RetryableNotionError as error:
        return Health("not reachable", str(error))
    except NotionPipelineError as error:
        return Health("not clear", str(error))


async def _introspected(account: StoredAccount, store: TokenStore, project: Project) -> Health:
    newest = await asyncio.to_thread(store.load, account.bot_id) or account
    oauth = OAuthClient.of(project)
    if await asyncio.to_thread(with_retries, lambda: oauth.is_active(newest.access_token)):
        return Health(HEALTHY)
    return Health("not active", "Notion says that its token is not active. Connect it again.")
