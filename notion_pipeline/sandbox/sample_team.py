"""The chapter on people: who works here, what they earn (not shared), who would like to work here."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from . import sample_words as words
from .objects import Database, Page
from .sample_story import Story, dice, seeded_id

_BUSINESS_CARD: Final = "https://cards.fernweh.example/"


def add_salaries(story: Story) -> Database:
    """The database that is not shared with the connection; the people database relates to it."""
    database = story.workspace.add_database(
        "Salaries",
        {
            "Payroll no.": "title",
            "Monthly gross": {"type": "number", "format": "euro"},
            "Valid from": "date",
            "Bonus": {"type": "number", "format": "percent"},
        },
        shared=False,
        icon="🔒",
        id=seeded_id("salaries"),
        created_at=story.founded(729),
    )
    rng = dice("salaries")
    for number in range(len(words.STAFF)):
        story.add(
            database.data_source,
            f"salary/{number}",
            {
                "Payroll no.": f"P-{1000 + number}",
                "Monthly gross": rng.randrange(2900, 9800, 50),
                "Valid from": story.day(rng, newest=30).isoformat(),
                "Bonus": rng.choice((None, 0.02, 0.05)),
            },
            rng=rng,
        )
    return database


def add_people(story: Story, salaries: Database) -> Database:
    """Everybody of the company, with their managers (a relation of the database to itself) and their places."""
    database = story.workspace.add_database(
        "People",
        {
            "Name": "title",
            "No.": {"type": "unique_id", "prefix": None},
            "Account": "people",
            "Email": "email",
            "Phone": "phone_number",
            "Department": {"type": "select", "options": sorted({line[1] for line in words.STAFF})},
            "Level": {"type": "select", "options": ["Director", "Lead", "Senior", "Regular", "Junior"]},
            "Role": "rich_text",
            "Started": {"type": "date", "description": "First day of work, as in the contract"},
            "Desk": "place",
            "Remote": "checkbox",
            "Languages": {"type": "multi_select", "options": list(words.LANGUAGES)},
            "Manager": {"type": "relation", "target": "self", "two_way": "Reports"},
            "Payroll": {"type": "relation", "target": salaries, "two_way": None},
            "Card": "url",
            "Photo": "files",
            "Say hello": "button",
            "Years here": {
                "type": "formula",
                "expression": 'dateBetween(now(), prop("Started"), "years")',
                "compute": lambda page: _years(story, page),
                "result_type": "number",
            },
            "Team size": {"type": "rollup", "relation": "Reports", "property": "Name", "function": "count"},
            "Team": {"type": "rollup", "relation": "Reports", "property": "Name", "function": "show_original"},
            "Levels in team": {"type": "rollup", "relation": "Reports", "property": "Level", "function": "show_unique"},
            "Entered by": "created_by",
            "Entered": "created_time",
        },
        description="Everybody at Fernweh, new colleagues included.",
        icon="👥",
        cover="https://images.fernweh.example/covers/people.jpg",
        id=seeded_id("people"),
        created_at=story.founded(730),
    )
    rng = dice("people")
    heads: dict[str, int] = {}
    for number, (name, department, role, level, town) in enumerate(words.STAFF):
        heads.setdefault(department, number)
        boss = heads[department] if heads[department] != number else 0
        latitude, longitude, country = words.PLACES[town]
        story.add(
            database.data_source,
            f"person/{number}",
            {
                "Name": name,
                "Account": [story.staff[number]],
                "Email": story.staff[number].email,
                "Phone": f"+49 341 5550 {100 + number}" if rng.random() < 0.9 else None,
                "Department": department,
                "Level": level,
                "Role": role,
                "Started": story.day(rng, oldest=4200, newest=20).isoformat(),
                "Desk": {"lat": latitude, "lon": longitude, "name": town, "address": f"{town}, {country}"},
                "Remote": town != "Leipzig",
                "Languages": _languages(rng, number),
                "Manager": [] if number == 0 else [seeded_id(f"person/{boss}")],
                "Payroll": [seeded_id(f"salary/{number}")],
                "Card": f"{_BUSINESS_CARD}{number}" if number % 3 else None,
                "Photo": [{"name": f"{name}.jpg", "hosted": f"portraits/{number}.jpg"}] if number % 4 else [],
            },
            rng=rng,
            icon=rng.choice(("🧗", "🥾", "⛺", "🏕️", "🚵", None)),
        )
    return database


def _languages(rng: Random, number: int) -> list[str]:
    """Two for everybody and some more; one colleague has not filled it in."""
    return [] if number == 5 else [*words.LANGUAGES[:2], *rng.sample(words.LANGUAGES[2:], rng.randint(0, 2))]


def _years(story: Story, page: Page) -> int | None:
    started = page["Started"]
    return None if started is None else (story.now.year - int(started[:4]))


def add_candidates(story: Story, people: Database) -> Database:
    """Those who applied; names of every script, CVs hosted by Notion, one refused candidate archived."""
    stages = ["New", "Screening", "Interview", "Trial day", "Offer", "Hired", "Declined"]
    database = story.workspace.add_database(
        "Job candidates",
        {
            "Name": "title",
            "Stage": {"type": "status", "options": stages},
            "Position": {"type": "select", "options": ["Repair workshop", "Backend developer", "Apprentice", "Sales"]},
            "Email": "email",
            "Phone": "phone_number",
            "CV": "files",
            "Portfolio": "url",
            "Interview": {"type": "date", "description": "In the time zone of whoever is interviewed"},
            "Interviewers": "people",
            "Referred by": {"type": "relation", "target": people, "two_way": "Referrals"},
            "Wishes per month": {"type": "number", "format": "euro"},
            "Willing to move": "checkbox",
            "Impression": "rich_text",
            "Applied": "created_time",
        },
        icon="🧭",
        id=seeded_id("candidates"),
        created_at=story.founded(600),
    )
    rng = dice("candidates")
    names = [f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}" for _ in range(34)]
    everybody = [*names, *words.CANDIDATE_ODDITIES]
    for number, (name, born) in enumerate(zip(everybody, story.births(rng, len(everybody), oldest=590), strict=True)):
        stage = rng.choice(stages)
        story.add(
            database.data_source,
            f"candidate/{number}",
            {
                "Name": name,
                "Stage": stage,
                "Position": rng.choice(("Repair workshop", "Backend developer", "Apprentice", "Sales", None)),
                "Email": f"candidate{number}@post.example",
                "Phone": rng.choice((None, f"0151 5550{number:04d}")),
                "CV": [{"name": f"CV {name}.pdf", "hosted": f"cv/{number}.pdf"}],
                "Portfolio": rng.choice((None, f"https://portfolio.example/~{number}?q=work&lang=de#top")),
                "Interview": _appointment(born, number) if stage != "New" else None,
                "Interviewers": story.people(rng, 3),
                "Referred by": [seeded_id(f"person/{rng.randrange(len(words.STAFF))}")] if rng.random() < 0.3 else [],
                "Wishes per month": rng.choice((None, rng.randrange(2400, 7200, 100))),
                "Willing to move": rng.random() < 0.5,
                "Impression": rng.choice(("", "Kind, precise, loves zips.", "Asked better questions than we did.")),
            },
            rng=rng,
            born=born,
            archived=stage == "Declined" and number % 2 == 0,
        )
    return database


def _appointment(applied: datetime, number: int) -> dict[str, Any]:
    """An interview, written in each of the ways in which Notion writes a time."""
    day = (applied + timedelta(days=7 + number % 9)).date().isoformat()
    forms: tuple[dict[str, Any], ...] = (
        {"start": f"{day}T10:00:00.000", "end": f"{day}T11:30:00.000", "time_zone": "Europe/Berlin"},
        {"start": f"{day}T17:15:00.000", "end": None, "time_zone": "America/St_Johns"},
        {"start": f"{day}T09:30:00.000+02:00", "end": f"{day}T10:00:00.000+02:00", "time_zone": None},
        {"start": f"{day}T14:00:00.000+05:30", "end": None, "time_zone": None},
        {"start": f"{day}T08:00:00.000Z", "end": None, "time_zone": None},
        {"start": day, "end": None, "time_zone": None},
    )
    return forms[number % len(forms)]
