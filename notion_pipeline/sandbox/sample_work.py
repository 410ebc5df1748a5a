"""The chapter on work: tasks, the projects they belong to, the objectives these serve.

One project has 140 tasks and one task twelve tags and many assignees: a page shows 25 references of a property at
most, the rest must be asked for (notion-api.md section 7).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from . import sample_words as words
from .objects import Database, Page
from .sample_story import Story, dice, one_in, seeded_id
from .workspace import UNSUPPORTED, Raw

TASKS: Final = 380
BIG_PROJECT: Final = 0
BIG_PROJECT_TASKS: Final = 140

#: What a rollup shows where the server gave up (notion-api.md section 6).
_NOT_COMPUTED: Final = Raw({"type": "unsupported", "unsupported": {}, "function": "max"})
_POINTS: Final = (None, 0.5, 1, 1, 2, 2, 3, 5, 8)
#: One icon of each kind (notion-api.md section 6).
_ICONS: Final[tuple[Any, ...]] = (
    "⛰️",
    None,
    "https://images.fernweh.example/icons/boot.png",
    {"type": "icon", "icon": {"name": "compass", "color": "green"}},
    {"name": "icon.png", "hosted": "icons/tent.png"},
    {
        "type": "custom_emoji",
        "custom_emoji": {
            "id": seeded_id("emoji"),
            "name": "fernweh",
            "url": "https://images.fernweh.example/emoji/fernweh.png",
        },
    },
)
_STATES: Final = ("Not started", "In progress", "Waiting", "Done", "Dropped")


def add_tasks(story: Story) -> Database:
    """The tasks, some of them parts of others, a few archived or in the trash."""
    database = story.workspace.add_database(
        "Tasks",
        {
            "Task": "title",
            "ID": {"type": "unique_id", "prefix": "TASK"},
            "Status": {"type": "status", "options": list(_STATES)},
            "Points": "number",
            "Priority": {"type": "select", "options": ["🔴 High", "🟡 Normal", "🟢 Low"]},
            "Tags": {"type": "multi_select", "options": list(words.TASK_TAGS)},
            "Assignee": "people",
            "Due": "date",
            "Notes": "rich_text",
            "Attachments": "files",
            "Reviewed": "checkbox",
            "Parent task": {"type": "relation", "target": "self", "two_way": "Sub-tasks"},
            "Blocked by": {"type": "relation", "target": "self", "two_way": None},
            "Effort in days": {
                "type": "formula",
                "expression": 'prop("Points") * 0.75',
                "compute": _effort,
                "result_type": "number",
            },
            "Overdue": {
                "type": "formula",
                "expression": 'prop("Due") < now() and prop("Status") != "Done"',
                "compute": lambda page: _overdue(story, page),
            },
            "Label": {
                "type": "formula",
                "expression": 'prop("ID") + " · " + prop("Status")',
                "compute": lambda page: f"{page['Priority'] or '⚪'} · {page['Status'] or 'no status'}",
            },
            "Review on": {
                "type": "formula",
                "expression": 'dateAdd(prop("Due"), 7, "days")',
                "compute": _review_on,
                "result_type": "date",
            },
            "Verdict": {
                "type": "formula",
                "description": "A number, a word, a tick or a day, as the case may be",
                "expression": 'ifs(empty(prop("Points")), "not estimated", prop("Reviewed"), true, ...)',
                "compute": _verdict,
            },
            "Chain of blockers": {
                "type": "formula",
                "description": "Too deep for Notion to compute, now and then",
                "expression": 'prop("Blocked by").map(current.prop("Chain of blockers")).flat().length()',
                "compute": _chain,
                "result_type": "number",
            },
            "Sub-task points": {"type": "rollup", "relation": "Sub-tasks", "property": "Points", "function": "sum"},
            "Start": "button",
            "Created": "created_time",
            "Created by": "created_by",
            "Edited": "last_edited_time",
            "Edited by": "last_edited_by",
        },
        description="What is to be done, by whom and until when.",
        icon="✅",
        id=seeded_id("tasks"),
        created_at=story.founded(728),
    )
    rng = dice("tasks")
    for number, born in enumerate(story.births(rng, TASKS)):
        is_old = story.now - born > timedelta(days=150)
        status = rng.choices(_STATES, (3, 4, 3, 82, 8) if is_old else (35, 25, 10, 27, 3))[0]
        due = born.date() + timedelta(days=rng.randint(3, 90))
        story.add(
            database.data_source,
            f"task/{number}",
            {
                "Task": _task_title(number),
                "Status": status if not one_in(rng, 30) else None,
                "Points": rng.choice(_POINTS),
                "Priority": rng.choice(("🔴 High", "🟡 Normal", "🟡 Normal", "🟢 Low", None)),
                "Tags": rng.sample(words.TASK_TAGS, rng.choice((0, 0, 1, 1, 2, 3))),
                "Assignee": story.people(rng, 2) if number != 7 else [*story.staff[:3], story.bots[0]],
                "Due": _due(due, number),
                "Notes": rng.choice(("", "", *words.TASK_NOTES)),
                "Attachments": _attachments(number),
                "Reviewed": status == "Done" and one_in(rng, 2),
                "Parent task": [seeded_id(f"task/{number - number % 6}")] if number % 6 and number < 120 else [],
                "Blocked by": _blockers(number),
            },
            rng=rng,
            born=born,
            icon=rng.choice((None, None, None, "🧵", "📐", "📦")),
            archived=status == "Dropped" and number % 3 == 0,
            in_trash=number >= BIG_PROJECT_TASKS and number % 61 == 60,
        )
    return database


def _task_title(number: int) -> str:
    """A task in words; a few are empty, very long, in other scripts, or full of what SQL takes for its own."""
    odd = {
        11: "",
        23: "🧗‍♀️ 🇮🇸 ❤️‍🔥",
        37: "تحديث قائمة الأسعار للربع القادم",
        41: "לתקן את הרוכסן של הדגם החדש",
        59: "整理样品室",
        73: "Robert'); DROP TABLE tasks;--",
        89: "line one\nline two\ttabbed",
        97: "Write the longest title that anybody has ever seen. " * 34,
        101: "mixed: English עברית English العربية 123",
        113: "  spaces around  ",
    }
    if number in odd:
        return odd[number]
    rng = dice("task title", number)
    return f"{rng.choice(words.TASK_VERBS)} {rng.choice(words.TASK_OBJECTS)}"


def _due(due: date, number: int) -> dict[str, Any] | str | None:
    """A day, a span of days, a time or nothing, by the number of the task."""
    match number % 8:
        case 0:
            return None
        case 1:
            return {"start": due.isoformat(), "end": (due + timedelta(days=4)).isoformat(), "time_zone": None}
        case 2:
            return {"start": f"{due}T16:00:00.000+02:00", "end": None, "time_zone": None}
        case 3 if number % 24 == 3:
            return {"start": f"{due}T23:30:00.000", "end": None, "time_zone": "Asia/Shanghai"}
        case _:
            return due.isoformat()


def _blockers(number: int) -> list[str]:
    """The ids of what has to be done first: rarely two tasks, sometimes one."""
    steps = (1, 4) if number % 45 == 4 else (1,) if number % 9 == 4 else ()
    return [seeded_id(f"task/{number - step}") for step in steps]


def _attachments(number: int) -> list[dict[str, str]]:
    sheet = {"name": f"sketch {number}.png", "hosted": f"tasks/{number}/sketch {number}.png"}
    offer = {"name": "offer (final).pdf", "url": f"https://files.fernweh.example/offers/{number}.pdf?dl=1"}
    return {0: [sheet], 1: [offer], 2: [sheet, offer]}.get(number % 12, [])


def _effort(page: Page) -> float | None:
    points = page["Points"]
    return None if points is None else points * 0.75


def _due_day(page: Page) -> date | None:
    due = page["Due"]
    return None if due is None else date.fromisoformat(due[:10])


def _overdue(story: Story, page: Page) -> bool:
    due = _due_day(page)
    return due is not None and due < story.now.date() and page["Status"] not in ("Done", "Dropped")


def _review_on(page: Page) -> date | None:
    due = _due_day(page)
    return None if due is None else due + timedelta(days=7)


def _verdict(page: Page) -> float | str | bool | date | None:
    points = page["Points"]
    if points is None:
        return "not estimated"
    if page["Reviewed"]:
        return True
    return _due_day(page) if points > 3 else points


def _chain(page: Page) -> Any:
    blockers = len(page["Blocked by"] or [])
    return UNSUPPORTED if blockers > 1 else blockers


def add_projects(story: Story, tasks: Database) -> Database:
    """The projects, with a rollup of each kind over their tasks."""
    over_tasks = {
        "Points": ("Points", "sum"),
        "Tasks in all": ("Task", "count"),
        "Median points": ("Points", "median"),
        "Reviewed %": ("Reviewed", "percent_checked"),
        "No assignee": ("Assignee", "empty"),
        "First due": ("Due", "earliest_date"),
        "Due between": ("Due", "date_range"),
        "Task titles": ("Task", "show_original"),
        "States": ("Status", "show_unique"),
        "Everybody involved": ("Assignee", "show_original"),
        "Points, each": ("Points", "show_original"),
        "Longest chain": ("Chain of blockers", "max"),
    }
    database = story.workspace.add_database(
        "Projects",
        {
            "Project": "title",
            "Status": {"type": "status", "options": ["Idea", "Planned", "Running", "Paused", "Finished"]},
            "Kind": {"type": "select", "options": sorted({line[1] for line in words.PROJECTS})},
            "Lead": "people",
            "Team": "people",
            "Timeline": "date",
            "Budget": {"type": "number", "format": "euro"},
            "Spent": {"type": "number", "format": "euro"},
            "Brief": "rich_text",
            "Folder": "url",
            "Tasks": {"type": "relation", "target": tasks, "two_way": "Project"},
            "Depends on": {"type": "relation", "target": "self", "two_way": "Needed by"},
            **{
                name: {"type": "rollup", "relation": "Tasks", "property": rolled, "function": function}
                for name, (rolled, function) in over_tasks.items()
            },
            "Budget left": {
                "type": "formula",
                "expression": 'prop("Budget") - prop("Spent")',
                "compute": _left,
                "result_type": "number",
            },
            "Health": {
                "type": "formula",
                "expression": 'ifs(prop("Spent") > prop("Budget"), "🔴 over", "🟢 fine")',
                "compute": lambda page: "🔴 over" if (_left(page) or 0) < 0 else "🟢 fine",
            },
            "Last change": "last_edited_time",
        },
        description="One line per project; the tasks tell the rest.",
        icon="🚀",
        cover="https://images.fernweh.example/covers/projects.jpg",
        id=seeded_id("projects"),
        created_at=story.founded(727),
    )
    rng = dice("projects")
    for number, (title, kind, budget) in enumerate(words.PROJECTS):
        start = story.day(rng, newest=-30)
        story.add(
            database.data_source,
            f"project/{number}",
            {
                "Project": title,
                "Status": rng.choice(("Idea", "Planned", "Running", "Running", "Paused", "Finished")),
                "Kind": kind,
                "Lead": [rng.choice(story.staff)],
                "Team": story.people(rng, 6, least=1),
                "Timeline": {
                    "start": start.isoformat(),
                    "end": (start + timedelta(days=rng.randint(20, 300))).isoformat(),
                },
                "Budget": budget,
                "Spent": None if budget is None else round(budget * rng.uniform(0, 1.2), 2),
                "Brief": f"{title}: what it is for, who decides, and when we stop.",
                "Folder": f"https://drive.fernweh.example/projects/{number:03d}",
                "Tasks": [seeded_id(f"task/{task}") for task in _tasks_of(number)],
                "Depends on": [seeded_id(f"project/{number - 1}")] if number % 7 == 6 else [],
                **({"Longest chain": _NOT_COMPUTED} if number % 10 == 3 else {}),
            },
            rng=rng,
            icon=_ICONS[number % len(_ICONS)],
            cover=_cover(number),
            archived=number == 22,
        )
    return database


def _cover(number: int) -> dict[str, Any] | str | None:
    """No picture, one of the web, or one that Notion hosts."""
    hosted = {"name": f"{number}.jpg", "hosted": f"covers/project-{number}.jpg"}
    covers: dict[int, dict[str, Any] | str] = {3: hosted, 4: f"https://images.fernweh.example/covers/{number}.jpg"}
    return covers.get(number % 5)


def _tasks_of(project: int) -> range:
    """The tasks of a project: the first 140 of the big one, an equal share of the rest, none of the last project."""
    if project == BIG_PROJECT:
        return range(BIG_PROJECT_TASKS)
    share = (TASKS - BIG_PROJECT_TASKS) // (len(words.PROJECTS) - 1)
    start = BIG_PROJECT_TASKS + (project - 1) * share
    return range(start, start + share) if project != len(words.PROJECTS) - 1 else range(0)


def _left(page: Page) -> float | None:
    budget, spent = page["Budget"], page["Spent"]
    return None if budget is None or spent is None else round(budget - spent, 2)


def add_objectives(story: Story, projects: Database) -> Database:
    """Objectives and key results, one in the other, with rollups over rollups."""
    database = story.workspace.add_database(
        "OKRs",
        {
            "Objective": "title",
            "Cycle": {"type": "select", "options": ["2025 H2", "2026 H1", "2026 H2"]},
            "Progress": {"type": "number", "format": "percent"},
            "Owner": "people",
            "Confidence": {"type": "select", "options": ["😀", "😐", "😟"]},
            "Part of": {"type": "relation", "target": "self", "two_way": "Key results"},
            "Projects": {"type": "relation", "target": projects, "two_way": "Objective"},
            "Budget": {"type": "rollup", "relation": "Projects", "property": "Budget", "function": "sum"},
            "Task points": {"type": "rollup", "relation": "Projects", "property": "Points", "function": "sum"},
            "Average of key results": {
                "type": "rollup",
                "relation": "Key results",
                "property": "Progress",
                "function": "average",
            },
            "Latest change": {
                "type": "rollup",
                "relation": "Projects",
                "property": "Last change",
                "function": "latest_date",
            },
            "On track": {
                "type": "formula",
                "expression": 'prop("Progress") >= 0.7',
                "compute": lambda page: (page["Progress"] or 0) >= 0.7,
            },
        },
        icon="🎯",
        id=seeded_id("okrs"),
        created_at=story.founded(540),
    )
    rng = dice("okrs")
    for number, (title, cycle, progress, parent) in enumerate(words.OBJECTIVES):
        story.add(
            database.data_source,
            f"objective/{number}",
            {
                "Objective": title,
                "Cycle": cycle,
                "Progress": progress,
                "Owner": [rng.choice(story.staff)],
                "Confidence": rng.choice(("😀", "😐", "😟", None)),
                "Part of": [] if parent is None else [seeded_id(f"objective/{parent}")],
                "Projects": [
                    seeded_id(f"project/{project}")
                    for project in range(len(words.PROJECTS))
                    if project % 13 == number % 13
                ][: rng.randint(0, 3)],
            },
            rng=rng,
            born=story.born(rng, oldest=530),
        )
    return database
