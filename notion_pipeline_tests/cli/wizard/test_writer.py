"""Writing one source into sources.yaml: what is meant lands, and nothing else moves."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from notion_pipeline.cli.wizard.writer import SourceEntry, text_with, write
from notion_pipeline.config.sources import parse_sources
from notion_pipeline.config.yaml_file import read_mapping
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import Project, find_project

ID, OTHER = "1429989f-e8ac-4eff-bc8f-57f56486db54", "20f1deef-0000-4aaa-8bbb-0123456789ab"
TEMPLATE = Path(__file__).parents[3] / "sources.yaml"
ACCOUNT = {"type": "token", "token": {"env": "NOTION_TOKEN"}}
ENTRY = SourceEntry(
    "sales",
    {
        "description": "no",
        "account": ACCOUNT,
        "start_date": "2024-01-01",
        "select": [ID, "Sales *"],
        "streams": {ID: {"table": "tasks", "sync_type": "FULL_TABLE"}},
        "schedule": ["0 6 * * *", "30 18 * * 1-5"],
        "watch": {"every_seconds": 60},
    },
    {ID: 'Tasks # 1: "old"\n[2]'},
)


def loaded(text: str) -> object:
    """As PyYAML reads it, dates as text."""
    return yaml.load(text, yaml.BaseLoader)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return find_project(tmp_path, environ={})


def test_new_file_names_databases_by_id_with_the_title_as_comment(project: Project) -> None:
    write(project, ENTRY)
    assert project.sources_file.read_text(encoding="utf-8") == (
        "# yaml-language-server: $schema=notion_pipeline/sources.schema.json\n"
        "sources:\n"
        "  - name: sales\n"
        '    description: "no"\n'
        "    account: {type: token, token: {env: NOTION_TOKEN}}\n"
        "    start_date: 2024-01-01\n"
        "    select:\n"
        f'      - {ID} # Tasks # 1: "old" [2]\n'
        '      - "Sales *"\n'
        "    streams:\n"
        f'      {ID}: {{table: tasks, sync_type: FULL_TABLE}} # Tasks # 1: "old" [2]\n'
        '    schedule: ["0 6 * * *", "30 18 * * 1-5"]\n'
        "    watch: {every_seconds: 60}\n"
    )
    parse_sources(read_mapping(project.sources_file, "sources.yaml"))


def test_source_is_added_below_all_that_is_there(project: Project) -> None:
    before = TEMPLATE.read_text(encoding="utf-8")
    project.sources_file.write_text(before, encoding="utf-8")
    write(project, ENTRY)
    after = project.sources_file.read_text(encoding="utf-8")
    assert after.startswith(before)
    assert after.removeprefix(before).startswith("  - name: sales\n")
    write(project, dataclasses.replace(ENTRY, name="third"))
    assert project.sources_file.read_text(encoding="utf-8").startswith(after)


def test_changed_source_keeps_comments_order_and_what_was_not_said(project: Project) -> None:
    before = TEMPLATE.read_text(encoding="utf-8")
    project.sources_file.write_text(before, encoding="utf-8")
    write(project, SourceEntry("notion", {"select": [ID], "schedule": "0 6 * * *"}, {ID: "Tasks"}))
    after = project.sources_file.read_text(encoding="utf-8")
    added = ["    select:", f"      - {ID} # Tasks", '    schedule: "0 6 * * *"']
    assert [line for line in after.splitlines() if line not in added] == before.splitlines()
    # Below the source's own keys, above the examples.
    assert after.splitlines().index(added[0]) == 1 + next(
        number for number, line in enumerate(after.splitlines()) if line.startswith("    account:")
    )
    write(project, SourceEntry("notion", {"select": ["*"], "schedule": None}))
    assert '    select: ["*"]' in project.sources_file.read_text(encoding="utf-8").splitlines()
    assert "    schedule:" not in project.sources_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "# mine\ncatalog: c.duckdb # here\nsources:\n- name: a   # first\n  account: {type: token}\n  # after\n"
        "- name: b\n  account:\n    type: token\n    # in the account\n"
        "  select:\n  - 'Quoted' # why\n  - plain\n\n# the end\n",
        "sources: [{name: a, account: {type: token}}, {name: b, account: {type: token}}]\n",
        'publish: "out.duckdb"\nsources:\n    - name: b\n      account: &it {type: token}\n'
        "      start_date: 2024-01-31T08:30:00+01:00\n"
        "    - name: c\n      account: *it\n      description: >-\n        folded\n        text\n",
    ],
)
@pytest.mark.parametrize("name", ["b", "new"])
def test_comments_and_values_of_any_style_stay(project: Project, text: str, name: str) -> None:
    project.sources_file.write_text(text, encoding="utf-8")
    write(project, dataclasses.replace(ENTRY, name=name))
    after = project.sources_file.read_text(encoding="utf-8")
    for comment in ("# mine", "# here", "# first", "# after", "# in the account", "# why", "# the end"):
        assert after.count(comment) == text.count(comment) or (name == "b" and comment in ("# in the account", "# why"))
    found = {source["name"]: source for source in loaded(after)["sources"]}  # type: ignore[index]
    kept = {source["name"]: source for source in loaded(text)["sources"]}  # type: ignore[index]
    assert {key: value for key, value in found.items() if key != name} == {
        key: value for key, value in kept.items() if key != name
    }
    assert found[name]["schedule"] == ["0 6 * * *", "30 18 * * 1-5"]


def test_windows_line_ends_links_and_permissions_stay(project: Project, tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_bytes(b"sources:\r\n  - name: a # first\r\n    account: {type: token}\r\n")
    real.chmod(0o640)
    project.sources_file.symlink_to(real)
    write(project, ENTRY)
    assert project.sources_file.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.read_bytes().count(b"\r\n") == real.read_bytes().count(b"\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["real.yaml", "sources.yaml"]


def test_what_does_not_validate_leaves_the_file_as_it_was(project: Project) -> None:
    before = "sources:\n  - {name: a, account: {type: token}} # mine\n"
    project.sources_file.write_text(before, encoding="utf-8")
    with pytest.raises(ConfigError, match="every_secs"):
        write(project, SourceEntry("b", {"account": ACCOUNT, "watch": {"every_secs": 60}}))
    assert project.sources_file.read_text(encoding="utf-8") == before
    assert [path.name for path in project.root.iterdir()] == ["sources.yaml"]


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(blacklist_categories=("Cs",)), max_size=40),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40),
)
def test_any_title_and_any_text_come_back_as_they_were(title: str, text: str) -> None:
    entry = SourceEntry(
        "sales", {"description": text, "account": ACCOUNT, "select": [ID, text], "deselect": [OTHER]}, {ID: title}
    )
    written = text_with(entry, TEMPLATE.read_text(encoding="utf-8"))
    source = loaded(written)["sources"][1]  # type: ignore[index]
    assert (source["description"], source["select"], source["deselect"]) == (text, [ID, text], [OTHER])
