"""Text and addresses from outside: no title steers a terminal, and no address but the web's becomes a link."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import notion_pipeline
from notion_pipeline.errors import ConfigError
from notion_pipeline.messages import quoted
from notion_pipeline.outside import (
    markdown_link,
    markdown_text,
    shown,
    shown_json,
    shown_line,
    web_address,
)
from notion_pipeline.project import Project
from notion_pipeline.redaction import keep_secrets_unwritten
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.dagster_runs import CONTENT, LISTING, Runs

ROOT = Path(notion_pipeline.__file__).parent
#: Clears the screen, sets the window's title, writes a line of its own, turns the reading order round, ends half way.
EVIL = "Ta\x1b[2Jsks\x1b]0;owned\x07 \u202egnp.exe\u202c\x9b31m\nError: all is lost"
EVIL_URL = "javascript:alert(document.domain)"


def steers(text: str) -> set[str]:
    """What in a text a terminal would obey, beside lines and tabs."""
    return {char for char in text if not char.isprintable() and char not in "\n\t\u200d\u200c\ufe0f"}


@given(st.text())
def test_shown_text_steers_nothing_and_loses_nothing_else(text: str) -> None:
    assert not {char for char in shown(text) if ord(char) < 32 and char not in "\n\t"}
    assert not set(shown(text)) & {chr(number) for number in (*range(0x7F, 0xA0), *range(0x202A, 0x202F))}
    assert shown(shown(text)) == shown(text)
    shown(text).encode()
    assert len(shown_line(text).splitlines()) <= 1
    assert json.loads(shown_json(text)) == text
    assert not steers(quoted(text)) - set(text) | (steers(quoted(text)) & set("\x1b\x9b\u202e"))


@pytest.mark.parametrize("text", ["Café ☕", "👨‍👩‍👧 family", "日本語", "שלום", "می‌خواهم", "a\tb\nc"])
def test_what_people_write_stays(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("address", "is_linked"),
    [
        ("https://www.notion.so/Tasks-1f0c", True),
        ("http://localhost:3000/x", True),
        ("HTTPS://notion.so", True),
        (EVIL_URL, False),
        ("JaVaScRiPt:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("\x01javascript:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("vbscript:x", False),
        ("file:///etc/passwd", False),
        ("//evil.example/x", False),
        ("/assets/notion", False),
        ("https:", False),
        ("https://[::1", False),
        ("https://a b", False),
        ("https://a\u202eb", False),
        ("notion://x", False),
        ("", False),
    ],
)
def test_only_the_web_is_linked(address: str, is_linked: bool) -> None:
    assert bool(web_address(address)) is is_linked


def test_markdown_is_shown_word_for_word() -> None:
    assert markdown_text("<img src=x onerror=alert(1)>") == r"\<img src=x onerror=alert(1)\>"
    assert markdown_text("a|b\nc") == r"a\|b c"
    assert markdown_text("[x](https://evil.example)") == r"\[x\](https\://evil.example)"
    assert markdown_text("www.evil.example") == r"www\.evil.example"
    assert markdown_link("](https://evil.example) [", EVIL_URL) == r"\](https\://evil.example) \["
    assert markdown_link("Tasks", "https://n.so/a)b|c d") == "Tasks"  # a blank ends an address
    assert markdown_link("Tasks", "https://n.so/a)b|c") == "[Tasks](https://n.so/a%29b%7Cc)"
    assert markdown_link("Tasks", "/assets/a") == "[Tasks](/assets/a)"
    assert markdown_link("Tasks", "//evil.example") == "Tasks"


def test_errors_and_records_are_shown() -> None:
    error = ConfigError(f"found {EVIL}", hint=EVIL, source="notion", database=f'"{EVIL}" (1f0c)')
    assert not steers(str(error))
    assert str(error).count("\n") == 2  # those of the message and of the hint alone
    keep_secrets_unwritten()
    record = logging.getLogRecordFactory()("x", logging.INFO, "f", 1, "title %s", (EVIL,), None)
    assert not steers(record.getMessage())


def test_everything_is_written_by_one_function() -> None:
    """In the command line only terminal.py writes or makes a console; in defs only metadata.py links."""
    for file in (*ROOT.joinpath("cli").rglob("*.py"), *ROOT.joinpath("defs").rglob("*.py")):
        calls = {ast.unparse(node.func) for node in calls_in(file)}
        if file.name != "terminal.py":
            assert not calls & {"click.echo", "click.secho", "print", "Console", "sys.stdout.write"}, file
        if file.name != "metadata.py":
            assert not calls & {"dg.MetadataValue.url", "dg.UrlMetadataValue"}, file


def calls_in(file: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call))


@pytest.fixture
def evil(project: Project, workspace: Workspace) -> Workspace:
    """A workspace, a database, a data source and a property of evil names, and a database that cannot be read."""
    workspace.name = EVIL
    database = workspace.add_database(EVIL, {"Name": "title", f"P {EVIL}": "number"}, data_source_name=f"D {EVIL}")
    database.data_source.add_page({"Name": "one"})
    other = workspace.add_database(f"Other {EVIL}", {"Name": "title"})
    workspace.faults.add(
        Fault(
            *("status",),
            match=f"{other.data_source.id}/query",
            times=99,
            status=403,
            code="restricted_resource",
            message=f"No {EVIL}",
        )
    )

    def bend(body: dict[str, Any]) -> None:
        for found in (body, *body.get("results", ())):
            if "url" in found:
                found["url"] = EVIL_URL

    for path in ("/v1/search", "/v1/databases/", "/v1/data_sources/[^/]+$"):
        workspace.faults.add(Fault("alter", match=path, times=1000, call=bend, callable=bend))
    return workspace


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("sync",),
        ("sync", "Taks"),
        ("sync", "-v"),
        ("check",),
        ("streams",),
        ("streams", "--json"),
        ("sources",),
        ("sources", "--json"),
        ("add", "--name", "second"),
        ("add", "--select", "Taks"),
        ("views", "--dry-run"),
    ],
)
def test_no_command_steers_the_terminal(evil: Workspace, project: Project, command: tuple[str, ...]) -> None:
    commands = Commands(project)
    commands.run("sync")
    result = commands.run(*command)
    assert not steers(result.output), result.output
    assert "\nError: all is lost" not in result.stdout
    if "--json" in command:
        text = json.dumps(json.loads(result.stdout), ensure_ascii=False)
        assert "\u202e" in text  # a program gets what Notion said
    else:
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_dagster_links_and_logs_are_safe(evil: Workspace, runs: Runs) -> None:
    run = runs.job()
    assert not steers(runs.log(run.run_id))
    events = runs.instance.get_records_for_run(run.run_id).records
    metadata = {
        f"{type(event).__name__} {name}": value
        for record in events
        for event in [record.asset_materialization]
        if event is not None
        for name, value in event.metadata.items()
    }
    assert metadata
    for name, value in metadata.items():
        if isinstance(value, dg.UrlMetadataValue):
            assert str(value.value).startswith(("https://", "/assets/")), name
        if isinstance(value, dg.MarkdownMetadataValue):
            assert "javascript:" not in str(value.value), name
            assert not steers(str(value.value)), name
    assert runs.materialized(run.run_id, LISTING)
    (landed,) = runs.materializations(run.run_id, CONTENT)
    assert landed.metadata["database_url"] == dg.MetadataValue.text(EVIL_URL)
    assert "Error: all is lost" not in runs.failure(run.run_id).splitlines()
