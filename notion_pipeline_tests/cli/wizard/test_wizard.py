"""The wizard as a person at the keyboard meets it: the checklist, the way back, narrow terminals, nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from notion_pipeline.cli.wizard.checklist import Checklist
from notion_pipeline.cli.wizard.databases import AccountDatabases, InCatalog
from notion_pipeline.config.sources import Source
from notion_pipeline.listing.listed import ListedDatabase
from notion_pipeline.project import Project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline_tests.support.commands import Commands
from notion_pipeline_tests.support.processes.terminal import CTRL_A, DOWN, ENTER, ESCAPE, SPACE, TAB, Terminal

BACKSPACE = "\x7f"
FLAGS = ["--name", "notion", "--token-env", "NOTION_TOKEN", "--start-date", "", "--table-prefix", ""]
FLAGS += ["--sync-type", "INCREMENTAL", "--description", "", "--no-watch", "--daily", "06:00", "--timezone", "UTC"]
FLAGS += ["--full-sync-weekly", "sun 03:00", "--content", "none"]
TEAMS, OTHERS = 13, 47


@pytest.fixture
def commands(project: Project, workspace: Workspace) -> Commands:
    """Thirteen databases of a team among sixty."""
    for number in range(OTHERS):
        workspace.add_database(f"Other {number:02}", {"Name": "title"})
    for number in range(TEAMS):
        workspace.add_database(f"Équipe {number:02}", {"Name": "title"})
    return Commands(project)


def selected(commands: Commands, workspace: Workspace, key: str = "select") -> list[str]:
    """The titles of what was written."""
    (source,) = yaml.load(commands.sources_file.read_text(encoding="utf-8"), yaml.BaseLoader)["sources"]
    titles = {database.id: database.title for database in workspace.databases.values()}
    return sorted(titles.get(entry, entry) for entry in source.get(key, []))


# The checklist


WORDS = {str(number): f"{'team' if number < 3 else 'other'} {number}" for number in range(8)}


@given(st.sets(st.sampled_from(sorted(WORDS))), st.sampled_from(["", "team", "TEAM", "o", "zz", "other 5"]), st.data())
def test_only_what_is_visible_is_ticked(before: set[str], search: str, data: st.DataObject) -> None:
    checklist = Checklist(WORDS, chosen=before)
    checklist.filter(search)
    visible = set(checklist.visible)
    assert visible == {value for value, words in WORDS.items() if search.lower() in words}
    for _ in range(data.draw(st.integers(0, 4))):
        step = data.draw(st.sampled_from(["move", "toggle", "toggle_all", "invert"]))
        hidden = checklist.ticked - visible
        checklist.move(data.draw(st.integers(-9, 9))) if step == "move" else getattr(checklist, step)()
        assert checklist.ticked - visible == hidden
        assert checklist.pointed in visible if visible else checklist.pointed is None


def test_all_visible_are_ticked_and_then_unticked() -> None:
    checklist = Checklist(WORDS, chosen=["7"])
    checklist.filter("team")
    checklist.toggle_all()
    assert checklist.choice == ["0", "1", "2", "7"]
    checklist.toggle_all()
    assert checklist.choice == ["7"]
    checklist.invert()
    checklist.toggle()
    assert checklist.choice == ["1", "2", "7"]
    assert checklist.choice_text() == "Chosen, 3: team 1, team 2, other 7"


def test_search_ignores_case_and_accents_and_says_when_nothing_fits() -> None:
    checklist = Checklist({"a": "Équipe Ämter", "b": "straße"})
    for search, found in (("equipe", ["a"]), ("AMT", ["a"]), ("STRASSE", ["b"]), ("xyz", [])):
        checklist.filter(search)
        assert checklist.visible == found
    assert checklist.lines(5) == [("class:refused", '   nothing fits "xyz"')]


@pytest.mark.slow
def test_ctrl_a_ticks_the_thirteen_that_the_search_shows(
    commands: Commands, project: Project, workspace: Workspace
) -> None:
    with Terminal(project.root, "add", *FLAGS) as terminal:
        terminal.answers("Streams: the account sees 60 databases", DOWN, DOWN)
        terminal.sees("Synced are")
        terminal.types(*"equipe", CTRL_A)
        terminal.shows("Chosen, 13: Équipe")
        terminal.types(*[BACKSPACE] * 6, *"other07")
        terminal.shows("/ other07")
        terminal.shows('nothing fits "other07"')
        terminal.types(SPACE, CTRL_A, TAB)
        terminal.types(*[BACKSPACE] * 2, ESCAPE)
        terminal.shows("Chosen, 13: Équipe")
        terminal.types(ENTER)
        terminal.shows("? Synced are: Équipe")
        terminal.answers("Change the name or the sync type")
        terminal.answers("Write it into")
        code, shown = terminal.ends()
    assert code == 0, shown
    assert "13 of 60 databases are selected" in shown
    assert selected(commands, workspace) == [f"Équipe {number:02}" for number in range(TEAMS)]


@pytest.mark.slow
def test_tab_turns_round_what_is_shown_and_nothing_else(
    commands: Commands, project: Project, workspace: Workspace
) -> None:
    with Terminal(project.root, "add", *FLAGS) as terminal:
        terminal.answers("Streams: the account sees 60 databases", DOWN)
        terminal.sees("Left out are")
        terminal.types(*"other0", SPACE, CTRL_A, TAB)
        terminal.shows('nothing fits "other0"')
        terminal.types(BACKSPACE, SPACE, TAB)
        terminal.shows("Chosen, 46: Other")
        terminal.types(ENTER)
        terminal.answers("Change the name or the sync type")
        terminal.answers("Write it into")
        assert terminal.ends()[0] == 0
    left_out = selected(commands, workspace, "deselect")
    assert len(left_out) == OTHERS - 1
    assert all(title.startswith("Other ") for title in left_out)


# Going back


@pytest.mark.slow
def test_escape_asks_the_question_before_again_with_its_answer(commands: Commands, project: Project) -> None:
    with Terminal(project.root, "add") as terminal:
        terminal.sees("Esc goes back")
        terminal.answers("Name of the source", *[BACKSPACE] * 6, "first")
        terminal.sees("Account: how is Notion reached?")
        terminal.types(ESCAPE)
        terminal.answers("Name of the source", *[BACKSPACE] * 6, "second")
        terminal.answers("Account: how is Notion reached?")
        terminal.answers("Start date", "2023-01-01")
        terminal.answers("Streams", DOWN, DOWN)
        terminal.sees("Synced are")
        terminal.types(*"equipe", CTRL_A, ENTER)
        terminal.sees("a prefix for all names")
        terminal.types(ESCAPE)
        terminal.shows("Chosen, 13: Équipe")
        terminal.types(ESCAPE)
        terminal.sees("Streams")
        terminal.types(ESCAPE)
        terminal.sees("Start date")
        terminal.shows("2023-01-01")
        terminal.types(*[BACKSPACE] * 10, *"2024-05-06", ENTER)
        terminal.answers("Streams")
        terminal.answers("a prefix for all names", "n_")
        terminal.answers("How are tables synced?")
        terminal.answers("Change the name or the sync type")
        terminal.answers("Content: read")
        terminal.answers("Description", "Late")
        terminal.answers("Triggers")
        terminal.answers("Full syncs too")
        terminal.sees("Write it into")
        terminal.types(ESCAPE)
        terminal.answers("Full syncs too")
        terminal.answers("Write it into")
        code, shown = terminal.ends()
    assert code == 0, shown
    (source,) = yaml.load(commands.sources_file.read_text(encoding="utf-8"), yaml.BaseLoader)["sources"]
    account = {"type": "token", "token": {"env": "NOTION_TOKEN"}}
    assert source == {
        "name": "second",
        "description": "Late",
        "account": account,
        "start_date": "2024-05-06",
        "select": ["*"],
        "table_prefix": "n_",
    }


# Narrow terminals


@pytest.mark.slow
def test_refusals_are_wrapped_at_sixty_columns(commands: Commands, project: Project) -> None:
    with Terminal(project.root, "add", columns=60) as terminal:
        terminal.sees("Name of the source")
        terminal.types(*[BACKSPACE] * 6, *"No Such Name", ENTER)
        terminal.shows("allowed: a lower-case letter, then at most 30 lower-case letters, digits or _")
        terminal.types(*[BACKSPACE] * 12, *"notion", ENTER)
        terminal.answers("Account: how is Notion reached?")
        terminal.answers("Start date", "2024-01-01T08:00")
        terminal.shows("a time with its offset such as 2024-01-31T08:30:00+01:00")
        terminal.types(*[BACKSPACE] * 16, ENTER)
        terminal.answers("Streams", DOWN, DOWN)
        terminal.sees("Synced are")
        terminal.types(ENTER)
        terminal.shows("Choose at least one, with the space bar.")


# Nothing changed


ODD = [
    # Forms that the wizard itself would never write.
    """
# Ours
sources:
- name:   notion     # kept
  account: {token: {env: NOTION_TOKEN}}
  select: ["Équipe *", 'Other 0?', "TASKS_ID", database_NOTES_ID]   # globs
  deselect:
      - Other 03     # not this one
      - "Nobody *"
  streams: {"Other 01": {table: first}, TASKS_ID: {sync_type: FULL_TABLE}}
""",
    """
sources:
  - name: notion
    description: >-
      Over
      two lines
    account: &a {type: token, token: {env: NOTION_TOKEN}}
    select: ["*"]
    deselect: [Other 00]
    start_date: 2024-01-31T08:30:00+01:00
    schedule: ["0  6 * * *"]
    full_sync_schedule: "@Weekly"
    watch: {}
    sync_type: INCREMENTAL
    limits: {concurrent_requests: 2}
    tags: {team: "x"}
""",
    """
sources:
  - {account: {type: token}, name: notion, watch: false, table_prefix: '', timezone: UTC, schedule: [],
     select: [Other 05, "gone from sight"]}
""",
    """
catalog: other.duckdb
sources:
  - name: notion
    account: {type: token}
    watch: yes
    schedule: ["0 6 * * *", "0 18 * * mon-fri"]
    timezone: Europe/Paris
    select: [databases, "Équipe 0[0-3]"]
  - name: second
    account: {type: token}
    select: ["*"]
""",
]
QUESTIONS = (
    *("What shall be done?", "Account: how is", "Start date:", "Streams: the account", "Left out are", "Synced are"),
    *("Tables: a prefix", "How are tables synced?", "Change the name or", "Content: read", "Content is read of"),
    *("Description, at", "Triggers: when"),
    *("Crons, one or several", "Look for changes every", "Full syncs too", "Crons of full syncs", "Time zone"),
    "Write it into",
)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ODD)))
def test_change_with_every_answer_accepted_changes_nothing(
    commands: Commands, project: Project, workspace: Workspace, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    first, second = (database.id for database in list(workspace.databases.values())[:2])
    text = ODD[number].replace("TASKS_ID", first.replace("-", "")).replace("NOTES_ID", second)
    commands.configure(text)
    commands.ok("sync", "databases")
    with Terminal(project.root, "add", "--change", "--name", "notion") as terminal:
        terminal.accepts(*QUESTIONS)
        code, shown = terminal.ends()
    assert code == 0, shown
    assert "stays as it is" in shown
    assert commands.sources_file.read_text(encoding="utf-8") == text


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ODD)))
def test_change_without_a_word_changes_nothing(commands: Commands, number: int) -> None:
    text = ODD[number].replace("TASKS_ID", "1f0c" * 8).replace("NOTES_ID", "2f0c" * 8)
    commands.configure(text)
    assert "stays as it is" in commands.ok("add", "--change", "--name", "notion", "--yes")
    assert commands.sources_file.read_text(encoding="utf-8") == text


def listed(*titles: str) -> list[ListedDatabase]:
    made = []
    for number, title in enumerate(titles):
        key = f"{number:08x}-0000-4000-a000-000000000000"
        made.append(
            ListedDatabase(
                **{**dict.fromkeys(ListedDatabase.__dataclass_fields__), "id": key, "title": title, "data_sources": ()}
            )
        )
    return made


TITLES = ["Plan A", "Plan B", "Tasks", "Notes", "Café"]
ENTRIES = ["*", "Plan *", "Plan B", "Tasks", "Gone", "databases", "C*", "?otes", "N*"]


@given(
    st.lists(st.sampled_from(ENTRIES), unique=True, max_size=4),
    st.lists(st.sampled_from(ENTRIES), unique=True, max_size=3),
    st.sets(st.sampled_from(TITLES), min_size=1),
)
def test_changed_selection_selects_what_is_wanted(select: list[str], deselect: list[str], wanted: set[str]) -> None:
    databases = listed(*TITLES)
    ids = {database.id for database in databases if database.title in wanted}
    before = Source.model_validate({"name": "x", "account": {"type": "token"}, "select": select, "deselect": deselect})
    account = AccountDatabases.of(before, databases, InCatalog())
    new_select, new_deselect = account.changed_selection(select, deselect, ids)
    source = Source.model_validate(
        {"name": "x", "account": {"type": "token"}, "select": new_select, "deselect": new_deselect}
    )
    assert {d.title for d in databases if source.selects(d.id, d.title)} == wanted
    assert {"Gone", "databases"} & set(select) <= set(new_select)


@pytest.mark.slow
def test_renamed_database_stays_ticked(commands: Commands, project: Project, workspace: Workspace) -> None:
    text = (
        "sources:\n  - name: notion\n    account: {type: token, token: {env: NOTION_TOKEN}}\n"
        "    select: [Tasks]\n    streams: {Tasks: {table: jobs}}\n"
    )
    workspace.add_database("Tasks", {"Name": "title"})
    commands.configure(text)
    commands.ok("sync")
    tasks = next(database for database in workspace.databases.values() if database.title == "Tasks")
    workspace.rename_database(tasks, "Chores")
    with Terminal(project.root, "add", "--change", "--name", "notion") as terminal:
        terminal.answers("Account: how is")
        terminal.answers("Start date")
        terminal.answers("Streams")
        terminal.answers("Synced are", "chores")
        terminal.answers("a prefix for all names")
        terminal.answers("How are tables synced?")
        terminal.sees("notion.jobs")
        terminal.answers("Change the name or the sync type")
        terminal.answers("Content: read")
        terminal.answers("Description")
        terminal.answers("Triggers")
        terminal.answers("Full syncs too")
        terminal.sees("1 of 61 databases are selected")
        terminal.answers("Write it into", "y")
        code, shown = terminal.ends()
    assert code == 0, shown
    assert commands.sources_file.read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_glob_stays_when_one_of_it_is_left_out(commands: Commands, project: Project, workspace: Workspace) -> None:
    commands.configure(
        'sources:\n  - name: notion\n    account: {type: token}\n    select: ["Équipe *", "Gone"]  # ours\n'
    )
    with Terminal(project.root, "add", "--change", "--name", "notion") as terminal:
        terminal.answers("Account: how is")
        terminal.answers("Start date")
        terminal.answers("Streams")
        terminal.sees("Synced are")
        terminal.types(*"equipe", SPACE)
        terminal.shows("Chosen, 12: Équipe")
        terminal.types(ENTER)
        terminal.accepts(*QUESTIONS[6:])
        code, shown = terminal.ends()
    assert code == 0, shown
    assert selected(commands, workspace) == ["Gone", "Équipe *"]
    (left_out,) = selected(commands, workspace, "deselect")
    assert left_out.startswith("Équipe ")


def test_tests_know_every_question() -> None:
    wizard = Path(__file__).parents[3] / "notion_pipeline" / "cli" / "wizard" / "steps.py"
    assert all(question in wizard.read_text("utf-8") for question in ("Start date:", "Left out are", "Synced are"))
