"""`notion-pipeline sandbox`: serves the sample workspace until it is interrupted."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import click

from notion_pipeline.cli import CommandError
from notion_pipeline.cli.terminal import echo
from notion_pipeline.sandbox.edits.bulk import add_rows, bulk_schema
from notion_pipeline.sandbox.edits.oauth import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import serve
from notion_pipeline.sandbox.sample import SAMPLE_TOKEN, STORY_ENDS, sample_workspace

DEFAULT_PORT = 8918
#: A day's worth of minutes holds some thousand rows: below what one query gives, above what one window holds.
_BULK_BEGINS = datetime(2024, 1, 1, tzinfo=timezone.utc)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0 takes a free one."
)
@click.option("--token", default=SAMPLE_TOKEN, show_default=True, help="What the connection shows as its token.")
@click.option(
    "--rows",
    type=click.IntRange(0, 250_000),
    default=0,
    help='Rows of a further database "Bulk" with 30 properties, to try out size.',
)
def sandbox(port: int, token: str, rows: int) -> None:
    """Serve a sample workspace that speaks Notion's API, until Ctrl-C.

    It holds the databases of an invented company, and every property type. Nothing leaves this machine.
    """
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise click.BadParameter("must be visible ASCII characters.", param_hint="--token")
    workspace = served_workspace(token, rows)
    try:
        serve(workspace, port, announce=lambda url: announce(url, token))
    except OSError as error:
        raise CommandError(f"Port {port} cannot be served: {error.strerror}. Choose another with --port.") from error


def served_workspace(token: str = SAMPLE_TOKEN, rows: int = 0) -> Workspace:
    """The sample workspace with a clock that runs on from the end of its story."""
    workspace = sample_workspace(token=token, clock_runs=True)
    if rows:
        database = workspace.add_database("Bulk", bulk_schema(), created_at=_BULK_BEGINS)
        minutes = (STORY_ENDS - timedelta(days=1) - _BULK_BEGINS).total_seconds() / 60
        add_rows(database.data_sources[0], rows, start=_BULK_BEGINS, minutes=minutes)
    return workspace


def announce(url: str, token: str) -> None:
    """Prints the address, and the lines that point the pipeline at it."""
    echo(f"The sample workspace answers at {url} with the token {token}; Ctrl-C ends it.")
    echo("In another terminal:\n")
    echo(f"export NOTION_API_URL={url}")
    echo(f"export NOTION_TOKEN={token}")
    echo("\nAnd to try `notion-pipeline connect` on it:\n")
    echo(f"export NOTION_CLIENT_ID={SANDBOX_CLIENT_ID}")
    echo(f"export NOTION_CLIENT_SECRET={SANDBOX_CLIENT_SECRET}")
