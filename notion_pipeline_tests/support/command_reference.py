"""Writes docs/commands.md from the commands themselves: `python -m notion_pipeline_tests.support.command_reference`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from notion_pipeline.cli import COMMANDS, main

_HEAD = """# Commands

All commands work on the project round the current folder: the nearest one upwards that holds `workspace.yaml`. Errors
are one message; the exit code is 1 then, and 2 for wrong usage. `notion-pipeline --version` prints the version, and
every command has `--help`.
"""


def reference() -> str:
    """The page."""
    return "\n".join([_HEAD, *(line for name in COMMANDS for line in _command(name))])


def _command(name: str) -> Iterator[str]:
    context = click.Context(main, info_name="notion-pipeline")
    command = main.get_command(context, name)
    assert command is not None
    own = click.Context(command, info_name=name, parent=context)
    usage = " ".join(command.collect_usage_pieces(own))
    yield f"## {name}\n"
    yield f"`notion-pipeline {name} {usage}`\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    if options:
        yield "| option | default | |"
        yield "| --- | --- | --- |"
        yield from (_option(option, own) for option in options)
        yield ""


def _option(option: click.Option, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f" {_value(option, context)}"
    default = option.get_default(context)
    shown = f"`{default}`" if option.show_default and default is not None else ""
    text = (option.help or "").replace("|", "\\|")
    return f"| {names}{value} | {shown} | {text} |"


def _value(option: click.Option, context: click.Context) -> str:
    return option.make_metavar(context).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
