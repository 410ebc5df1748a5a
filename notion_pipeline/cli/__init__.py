"""The command line `notion-pipeline`: one module for each command, loaded when it is called.

In: arguments, and the project of the current folder. Out: printed text and an exit code. The modules of this room and
of `runs` are what several commands share; those here may import `config`, `notion`, `accounts`, `listing`, `sync` and
the catalog with its `content` and `read`. `--help` must come at once, so this module imports neither Dagster nor
DuckDB; COMMANDS names the commands.
"""

from __future__ import annotations

import warnings
from importlib import import_module, metadata
from typing import Any

import click

from notion_pipeline.cli.process import ended_by_sigterm
from notion_pipeline.errors import NotionPipelineError
from notion_pipeline.messages import nearest
from notion_pipeline.outside import shown
from notion_pipeline.redaction import keep_secrets_unwritten, redacted, traceback_text

#: Name, the line of `--help`, and the module in `commands`, whose function has the same name; in the order of the list.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("Make a project folder for your own workspace.", "init"),
    "connect": ("Connect a Notion workspace in the browser.", "connect"),
    "disconnect": ("End the connection to a workspace.", "disconnect"),
    "accounts": ("Show the connected workspaces and their health.", "accounts"),
    "move-accounts": ("Move connected accounts into PostgreSQL.", "sources.move_accounts"),
    "sources": ("Show all sources with their last and next runs.", "sources.sources"),
    "streams": ("Find streams by any part of their name.", "catalog.streams"),
    "add": ("Set up a source by answering questions.", "sources.add"),
    "check": ("Check config, credentials, access and catalog.", "check"),
    "plan": ("Show what the next sync will do and cost.", "plan"),
    "sync": ("Bring the catalog up to date.", "sync"),
    "acknowledge": ("Acknowledge changes of schemas.", "catalog.acknowledge"),
    "remove-source": ("Remove what a source left behind.", "sources.remove_source"),
    "rename-source": ("Give a source's tables and state its new name.", "sources.rename_source"),
    "views": ("Make flat views of the tables, for people and BI tools.", "catalog.views"),
    "migrate-catalog": ("Copy the catalog into a lake, or back.", "catalog.migrate_catalog"),
    "dbt": ("Print the tables as sources of a dbt project.", "catalog.dbt"),
    "sandbox": ("Serve a sample workspace that speaks Notion's API.", "sandbox"),
    "demo": ("Sync the sample workspace and show what was loaded; needs no account.", "demo"),
}


class CommandError(click.ClickException):
    """An error of ours on the command line: its message, exit code 1, no traceback."""

    @classmethod
    def of(cls, error: Exception) -> CommandError:
        """The error for another one; an unexpected error's text alone may say little, so its type is added."""
        if isinstance(error, NotionPipelineError):
            return cls(redacted(str(error)))
        if isinstance(error, OSError) and error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            return cls(f"{where}{error.strerror}.")
        # Nobody foresaw it: its traceback is what helps to mend it.
        from notion_pipeline.cli.terminal import echo  # noqa: PLC0415 - rich is not for `--help`

        echo(traceback_text(error), err=True)
        return cls(redacted(f"{type(error).__name__}: {error}".strip(": ")))

    def format_message(self) -> str:
        return shown(self.message)


class InterruptedCommandError(CommandError):
    """The command was interrupted; the exit code is the shell's for that."""

    exit_code = 130


class CommandLine(click.Group):
    """The commands of COMMANDS, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = COMMANDS[cmd_name][1]
        command = getattr(import_module(f"notion_pipeline.cli.commands.{module}"), module.rpartition(".")[2])
        assert isinstance(command, click.Command)  # noqa: S101 - COMMANDS is ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = nearest(args[0], COMMANDS)
            hint = f'Did you mean "{near}"?' if near else f"There are: {', '.join(COMMANDS)}."
            raise click.UsageError(f'There is no command "{args[0]}". {hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (summary, _) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with ended_by_sigterm(), warnings.catch_warnings():
                # Dagster's notices on its own API, for those who write assets; by text, since Dagster is not here yet.
                warnings.filterwarnings("ignore", message=r".* is currently in (beta|preview)")
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            raise InterruptedCommandError("Interrupted.") from None
        except Exception as error:
            raise CommandError.of(error) from error


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    metadata.version("notion-pipeline"), "-V", "--version", prog_name="notion-pipeline", message="%(prog)s %(version)s"
)
def main() -> None:
    """A company's Notion databases in a SQL catalog: complete, exact, resumable.

    Commands work on the project round the current folder: the nearest one upwards that holds workspace.yaml.
    """
    keep_secrets_unwritten()
