"""`notion-pipeline add`: the wizard that writes a source into sources.yaml; each answer is a flag as well."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

import click

from notion_pipeline.catalog.listing.known_databases import accessible_databases
from notion_pipeline.catalog.listing.resolved import known_names
from notion_pipeline.catalog.read.overview import catalog_streams, held_names
from notion_pipeline.cli import CommandError, InterruptedCommandError
from notion_pipeline.cli.access_report import access_report, account_text, identity
from notion_pipeline.cli.catalog import open_catalog
from notion_pipeline.cli.commands.connect import connect
from notion_pipeline.cli.terminal import echo, echo_data, messages
from notion_pipeline.cli.wizard.account import ask_account, connected_before, connected_now, token_account
from notion_pipeline.cli.wizard.content_step import content_summary
from notion_pipeline.cli.wizard.databases import AccountDatabases, InCatalog
from notion_pipeline.cli.wizard.draft import Draft, check_name, check_sync_type, suggested_name
from notion_pipeline.cli.wizard.flags import (
    answered_by,
    checked,
    daily_crons,
    stream_sync_type,
    stream_value,
    take_flags,
)
from notion_pipeline.cli.wizard.prompts import WAYS_OUT, GoingBack, ask_one, ask_text, ask_yes, conversation, tell
from notion_pipeline.cli.wizard.schedule_input import weekly
from notion_pipeline.cli.wizard.steps import STEPS, Surroundings
from notion_pipeline.cli.wizard.writer import text_with, write
from notion_pipeline.config.account import DEFAULT_TOKEN_VARIABLE
from notion_pipeline.config.fields.cron import check_cron
from notion_pipeline.config.fields.values import (
    check_description,
    check_prefix,
    check_time_zone,
    check_variable,
    parse_start_date,
)
from notion_pipeline.config.sources import Source, Sources, parse_sources, sources_of
from notion_pipeline.config.yaml_file import read_mapping
from notion_pipeline.errors import AuthorizationError, CatalogError, NotionPipelineError
from notion_pipeline.messages import quoted
from notion_pipeline.project import Project, find_project

ANSWER_SECONDS = 60.0

#: The sources as the file writes them, by name.
Entries = Mapping[str, Mapping[str, Any]]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--name", metavar="NAME", help="Name of the source; of its schema, assets, jobs and schedules.")
@click.option("--change", is_flag=True, help="Change the source of this name instead of adding one.")
@click.option("--connect", "connect_now", is_flag=True, help="Account: connect a workspace in the browser now.")
@click.option("--workspace", metavar="NAME", help="Account: a workspace that is connected, by name or id.")
@click.option(
    "--token-env", metavar="VARIABLE", callback=checked(check_variable), help="Account: the token in a variable."
)
@click.option(
    "--start-date",
    metavar="DATE",
    callback=checked(lambda text: parse_start_date(text or None), parsed=False),
    help="Leave out pages last edited before.",
)
@click.option("--select", multiple=True, metavar="STREAM", help="What is synced: a title, glob, id or stream name.")
@click.option("--deselect", multiple=True, metavar="STREAM", help="What of it is not.")
@click.option("--table-prefix", metavar="TEXT", callback=checked(check_prefix), help="Before all table names.")
@click.option(
    "--sync-type",
    metavar="TYPE",
    callback=checked(check_sync_type),
    help="INCREMENTAL or FULL_TABLE, for all streams.",
)
@click.option(
    "--table", multiple=True, metavar="STREAM=TABLE", callback=checked(stream_value), help="Table of one stream."
)
@click.option(
    "--stream-sync-type",
    multiple=True,
    metavar="STREAM=TYPE",
    callback=checked(stream_sync_type),
    help="Sync type of one stream.",
)
@click.option(
    "--content",
    multiple=True,
    metavar="STREAM",
    help="Read the pages' content too, a request a page: all, none, or a stream as in --select.",
)
@click.option(
    "--description",
    metavar="TEXT",
    callback=checked(check_description),
    help="Shown in Dagster; at most 140 characters.",
)
@click.option(
    "--daily", metavar="TIMES", callback=checked(daily_crons), help="Sync every day at 06:00, or at 06:00,18:00."
)
@click.option("--weekly", metavar="DAY TIME", callback=checked(weekly), help='Sync once a week, such as "mon 06:00".')
@click.option("--schedule", multiple=True, metavar="CRON", callback=checked(check_cron), help="Sync by cron.")
@click.option("--watch/--no-watch", default=None, help="Sync when something changes.")
@click.option("--watch-every", type=click.IntRange(min=5), metavar="SECONDS", help="How often changes are looked for.")
@click.option(
    "--full-sync-weekly", metavar="DAY TIME", callback=checked(weekly), help='Full sync, such as "sun 03:00".'
)
@click.option(
    "--full-sync-schedule", multiple=True, metavar="CRON", callback=checked(check_cron), help="Full sync by cron."
)
@click.option(
    "--timezone", metavar="ZONE", callback=checked(check_time_zone), help="Of schedules; by default this machine's."
)
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: what no flag says is left at its default.")
@click.option("--dry-run", is_flag=True, help="Print the file instead of writing it.")
def add(**flags: Any) -> None:
    """Set up a source: account, start date, streams, tables, content, description, triggers.

    Asks for each, shows the whole, and writes it into sources.yaml; your comments and their order stay. A flag answers
    its question. Without a terminal nothing is asked.
    """
    project = find_project()
    asks = not flags["yes"] and sys.stdin.isatty() and sys.stdout.isatty()
    if asks:
        echo(WAYS_OUT)
    try:
        _add(project, flags, asks=asks)
    except KeyboardInterrupt:
        raise InterruptedCommandError("Interrupted; nothing was written.") from None


def _add(project: Project, flags: Mapping[str, Any], *, asks: bool) -> None:
    """Asks for source, account and the rest in turn; Esc at the first question of one goes back to the one before."""
    content = read_mapping(project.sources_file, project.sources_label) or {}
    present: Entries = {}
    if content.get("sources") is not None:
        sources = sources_of(content, project)  # what is wrong with the file is said before anything is asked
        present = {entry["name"]: entry for entry in content["sources"]}
    else:
        sources = parse_sources({key: value for key, value in content.items() if key != "sources"})
    named: Draft | None = None
    while True:
        try:
            named = named or _draft(present, dict(flags), asks=asks)
            draft = Draft(named.name, named.present)
        except GoingBack:
            continue
        try:
            around = _account(project, sources, draft, flags, asks=asks)
        except GoingBack:
            named = None
            continue
        take_flags(draft, around, flags)
        with suppress(GoingBack):
            _finish(project, draft, around, asks=asks, dry_run=flags["dry_run"])
            return


def _draft(present: Entries, flags: dict[str, Any], *, asks: bool) -> Draft:
    """The source that is added or changed."""
    name = flags["name"]
    if asks and not name and present:
        name = _ask_which(list(present))
        flags["change"] = name is not None
    if flags["change"]:
        if name is None and len(present) == 1:
            name = next(iter(present))
        if name not in present:
            raise CommandError(
                f"There is no source {quoted(name)} to change; there are: {', '.join(present) or 'none'}."
            )
        return Draft(name, present[name])
    if name is None:
        name = suggested_name(present)
        if asks:
            name = ask_text("Name of the source", default=name, check=lambda text: check_name(text, present))
    try:
        return Draft(check_name(name, present))
    except ValueError as error:
        hint = f" `notion-pipeline add --change --name {name}` changes it." if name in present else ""
        raise CommandError(f"--name: {error}.{hint}") from None


def _ask_which(names: Sequence[str]) -> str | None:
    """The source to change; None to add one."""
    choices: dict[str, str | None] = {"Add a source": None, **{f"Change source {name}": name for name in names}}
    return ask_one("What shall be done?", choices)


def _account(project: Project, sources: Sources, draft: Draft, flags: Mapping[str, Any], *, asks: bool) -> Surroundings:
    """Chooses the account, and lists what it sees."""
    given = _given_account(project, flags)
    if given is not None or not asks:
        draft.put("account", given or draft.get("account") or token_account(DEFAULT_TOKEN_VARIABLE))
        return _list(project, sources, draft, flags)
    while True:
        try:
            draft.put("account", ask_account(project, draft.name, draft.present.get("account"), connect))
            return _list(project, sources, draft, flags)
        except NotionPipelineError as error:
            echo(f"{error}\n")


def _given_account(project: Project, flags: Mapping[str, Any]) -> dict[str, Any] | None:
    ways = [name for name in ("connect_now", "workspace", "token_env") if flags[name]]
    if len(ways) > 1:
        raise click.UsageError("--connect, --workspace and --token-env exclude each other.")
    if flags["connect_now"]:
        return connected_now(project, connect)
    if flags["workspace"]:
        return connected_before(project, flags["workspace"])
    return token_account(flags["token_env"]) if flags["token_env"] else None


def _list(project: Project, sources: Sources, draft: Draft, flags: Mapping[str, Any]) -> Surroundings:
    source = Source.model_validate({"name": draft.name, "account": draft.get("account")})
    catalog = _in_catalog(project, sources, draft.name)
    with messages().status("Listing what the account sees"):
        with _connecting_by_itself(draft):
            found = asyncio.run(identity(source, project, seconds=ANSWER_SECONDS))
        listing = asyncio.run(access_report(source, project, catalog.databases)).listing
    account = AccountDatabases.of(draft.source(), listing.databases, catalog)
    draft.names = account.resolution.names
    echo(f"{account_text(source)}: {found}, {len(account.listed):,} databases can be seen.", err=True)
    for line in (*(str(failure.error) for failure in listing.failures), *account.resolution.renamed):
        echo(line, err=True)
    return Surroundings(account, answered_by(flags))


@contextmanager
def _connecting_by_itself(draft: Draft) -> Iterator[None]:
    """Removes from a hint the name of a source that sources.yaml does not have yet."""
    try:
        yield
    except AuthorizationError as error:
        if not draft.present:
            error.hint = error.hint.replace(f"connect --source {draft.name}`", "connect`")
        raise


def _in_catalog(project: Project, sources: Sources, name: str) -> InCatalog:
    """What the catalog knows of an existing source; nothing where it cannot be read."""
    try:
        with open_catalog(project, sources).reading() as connection:
            rows = {found.id: found.rows for found in catalog_streams(connection, name) or ()}
            return InCatalog(
                accessible_databases(connection, name),
                known_names(connection, name),
                *held_names(connection, name),
                rows={key: count for key, count in rows.items() if count is not None},
            )
    except CatalogError:
        return InCatalog()


def _finish(project: Project, draft: Draft, around: Surroundings, *, asks: bool, dry_run: bool) -> None:
    """Asks the remaining questions, shows the source, and writes it."""
    titles = {key: title or "Untitled" for key, title in around.account.titles.items()}
    start = dict(draft.values)

    def is_wanted() -> bool:
        draft.values = deepcopy(start)
        for step in STEPS:
            step(draft, around)
        if dry_run:
            return True
        tell(f"\n{_summary(draft, around, titles)}")
        return ask_yes(f"Write it into {project.sources_label}?")

    if asks and not conversation(is_wanted):
        raise CommandError("Nothing was written.")
    entry = draft.entry(titles)
    if dry_run:
        path = project.sources_file
        echo_data(text_with(entry, path.read_bytes().decode("utf-8-sig") if path.exists() else None))
        return
    following = f"Next: `notion-pipeline sync --source {draft.name}`"
    if draft.present and not entry.values:
        echo(f"Source {draft.name} stays as it is in {project.sources_label}; nothing was written. {following}")
        return
    write(project, entry)
    echo(
        f"Source {draft.name} is {'changed in' if draft.present else 'written to'} {project.sources_label}. {following}"
    )


def _summary(draft: Draft, around: Surroundings, titles: dict[str, str]) -> str:
    """The source as YAML, how many databases it selects, and what their content costs."""
    whole = Draft(draft.name, values=dict(draft.values)).entry(titles)
    text = text_with(whole, "").rstrip()
    selected, seen = around.account.selected(draft), around.account.listed
    content = content_summary(draft, around.account)
    return f"{text}\n\n{len(selected):,} of {len(seen):,} databases are selected.{content}\n"
