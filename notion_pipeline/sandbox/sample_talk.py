"""The chapter on talk: meeting notes, support tickets (two data sources in one database), two sets of release notes."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from . import sample_words as words
from .objects import Database, DataSource, User
from .richtext import equation, mention_date, mention_page, mention_user, text
from .sample_story import Story, dice, one_in, seeded_id
from .workspace import Raw

MEETINGS: Final = 72
CROWDED_MEETING: Final = 20
CROWD: Final = 40
MENTIONS: Final = 30
TICKETS: Final = 90
ESCALATIONS: Final = 18


def add_meetings(story: Story, projects: Database) -> Database:
    """Meeting notes; one meeting had forty attendees and its minutes mention thirty people."""
    database = story.workspace.add_database(
        "Meeting notes",
        {
            "Topic": "title",
            "When": "date",
            "Attendees": "people",
            "Kind": {"type": "select", "options": ["Weekly", "One-off", "External", "Board"]},
            "Minutes": "rich_text",
            "Decisions": "rich_text",
            "Projects": {"type": "relation", "target": projects, "two_way": "Meetings"},
            "Recording": "files",
            "Confidential": "checkbox",
            "Leads": {"type": "rollup", "relation": "Projects", "property": "Lead", "function": "show_original"},
            "Written by": "created_by",
            "Last touched by": "last_edited_by",
        },
        description="Written during the meeting, corrected by whoever was there.",
        icon="📝",
        id=seeded_id("meetings"),
        created_at=story.founded(724),
    )
    rng = dice("meetings")
    for number in range(MEETINGS):
        day = story.born(rng, oldest=715)
        story.add(
            database.data_source,
            f"meeting/{number}",
            {
                "Topic": _topic(rng, number, day),
                "When": _when(day, number),
                "Attendees": _attendees(story, rng, number),
                "Kind": rng.choice(("Weekly", "Weekly", "One-off", "External", "Board", None)),
                "Minutes": _minutes(story, rng, number),
                "Decisions": "\n".join(rng.sample(words.MEETING_LINES, rng.randint(0, 3))),
                "Projects": [
                    seeded_id(f"project/{project}")
                    for project in sorted(rng.sample(range(len(words.PROJECTS)), rng.choice((0, 1, 1, 2))))
                ],
                "Recording": [{"name": "recording.m4a", "hosted": f"meetings/{number}.m4a"}]
                if number % 10 == 3
                else [],
                "Confidential": one_in(rng, 8),
            },
            rng=rng,
            born=day,
            icon=rng.choice((None, None, "🗣️", "☕")),
            content="\n".join(f"- {line}" for line in rng.sample(words.MEETING_LINES, 3)),
        )
    return database


def _topic(rng: Random, number: int, day: datetime) -> str | list[dict[str, Any]]:
    if number < len(words.MEETING_ODDITIES):
        return words.MEETING_ODDITIES[number]
    if number == CROWDED_MEETING:
        return "All hands: who does what in the busy season"
    if number == CROWDED_MEETING + 1:
        return [text("Pricing, "), text("strictly", bold=True, color="red"), text(" internal: "), equation("p = 2.3c")]
    return f"{rng.choice(words.MEETINGS)}, {day:%d %b %Y}"


def _when(day: datetime, number: int) -> dict[str, Any]:
    """A meeting in Leipzig's time, in an offset, in UTC, or all day."""
    start, end = f"{day:%Y-%m-%dT%H:%M}:00.000", f"{day + timedelta(minutes=45):%Y-%m-%dT%H:%M}:00.000"
    match number % 4:
        case 0:
            return {"start": start, "end": end, "time_zone": "Europe/Berlin"}
        case 1:
            return {"start": f"{start}+02:00", "end": f"{end}+02:00", "time_zone": None}
        case 2:
            return {"start": f"{start}Z", "end": None, "time_zone": None}
        case _:
            return {"start": f"{day:%Y-%m-%d}", "end": None, "time_zone": None}


def _attendees(story: Story, rng: Random, number: int) -> list[User | dict[str, str]]:
    if number == CROWDED_MEETING:
        return list(story.staff[:CROWD])
    group = {"object": "group", "id": seeded_id("group/care"), "name": "Customer care"}
    return [
        *story.people(rng, 7),
        *([group] if number % 11 == 5 else []),
        *(story.bots[:1] if number % 17 == 9 else []),
    ]


def _minutes(story: Story, rng: Random, number: int) -> str | list[dict[str, Any]]:
    if number == CROWDED_MEETING:
        return [
            piece
            for user in story.staff[:MENTIONS]
            for piece in (
                mention_user(user),
                text(f" takes {rng.choice(('a tent', 'the till', 'the phone', 'a truck'))}; "),
            )
        ]
    if number % 5 == 0:
        day = story.day(rng).isoformat()
        return [
            text("Seen by "),
            mention_user(rng.choice(story.staff)),
            text(" on "),
            mention_date(day),
            text(", see "),
            mention_page(story.workspace.page(seeded_id("project/0"))),
            text(" and "),
            text("the shop", link="https://shop.fernweh.example/", underline=True),
            text(". "),
            equation(r"\Delta = 4\,\%"),
            text(" rm -rf old_texts", code=True),
        ]
    return " ".join(rng.sample(words.MEETING_LINES, rng.randint(0, 4)))


def add_support(story: Story, products: Database) -> Database:
    """Support tickets: an inbox and what was escalated from it, two data sources in one database."""
    database = story.workspace.add_database(
        "Support tickets",
        {
            "Subject": "title",
            "Ticket": {"type": "unique_id", "prefix": "CARE"},
            "State": {"type": "status", "options": ["New", "Open", "Waiting for customer", "Solved"]},
            "From": "email",
            "Product": {"type": "relation", "target": products, "two_way": "Tickets"},
            "Agent": "people",
            "Mood": {"type": "select", "options": ["😀", "😐", "😡"]},
            "Message": "rich_text",
            "Photos": "files",
            "First answer": "date",
            "Received": "created_time",
        },
        description="Everything that reaches care@fernweh.example.",
        icon="🛟",
        id=seeded_id("support"),
        created_at=story.founded(723),
        data_source_name="Inbox",
    )
    inbox = database.data_source
    rng = dice("support")
    for number, born in enumerate(story.births(rng, TICKETS)):
        product = rng.randrange(40)
        story.add(
            inbox,
            f"ticket/{number}",
            {
                "Subject": rng.choice(words.TICKETS),
                "State": rng.choice(("New", "Open", "Waiting for customer", "Solved", "Solved", "Solved")),
                "From": f"guest{rng.randrange(5000)}@mail.example",
                "Product": [seeded_id(f"product/{product}")] if number % 3 else [],
                "Agent": [story.staff[rng.randrange(35, 40)]] if number % 8 else [],
                "Mood": rng.choice(("😀", "😐", "😡", None)),
                "Message": rng.choice(words.TICKET_MESSAGES),
                "Photos": [{"name": "IMG_0042.HEIC", "hosted": f"tickets/{number}/IMG_0042.HEIC"}]
                if number % 9 == 0
                else [],
                "First answer": (born + timedelta(minutes=rng.randint(4, 600))).isoformat(timespec="milliseconds"),
            },
            rng=rng,
            born=born,
            created_by=story.bots[1],
            in_trash=number % 45 == 44,
        )
    _add_escalations(story, database)
    return database


def _add_escalations(story: Story, database: Database) -> None:
    source = database.add_data_source(
        "Escalations",
        {
            "Subject": "title",
            "Tickets": {"type": "relation", "target": database.data_source, "two_way": "Escalation"},
            "State": {"type": "select", "options": ["With the lawyer", "With product", "Settled"]},
            "Cost": {"type": "number", "format": "euro"},
            "Owner": "people",
            "Moods": {"type": "rollup", "relation": "Tickets", "property": "Mood", "function": "show_original"},
            "First seen": {
                "type": "rollup",
                "relation": "Tickets",
                "property": "Received",
                "function": "earliest_date",
            },
        },
        created_at=story.founded(510),
    )
    rng = dice("escalations")
    for number in range(ESCALATIONS):
        story.add(
            source,
            f"escalation/{number}",
            {
                "Subject": rng.choice(
                    ("Headlamp overheats", "Strap torn under load", "Refund refused", "Wrong customs code")
                ),
                "Tickets": [seeded_id(f"ticket/{ticket}") for ticket in range(number, 36, ESCALATIONS)],
                "State": rng.choice(("With the lawyer", "With product", "Settled")),
                "Cost": rng.choice((None, 0, rng.randrange(20, 4000))),
                "Owner": story.people(rng, 1),
            },
            rng=rng,
            born=story.born(rng, oldest=500),
        )


def add_releases(story: Story) -> tuple[Database, Database]:
    """Two databases of one title: the web site's release notes, a wiki, and in it those of the warehouse scanner."""
    shop = _releases(story, "shop", words.RELEASES_SHOP, "For customers and for ourselves.", age=700)
    scanner = _releases(
        story, "scanner", words.RELEASES_SCANNER, "The scanner in Halle.", age=400, parent=shop.data_source
    )
    return shop, scanner


def _releases(
    story: Story,
    key: str,
    releases: tuple[tuple[str, str, str], ...],
    description: str,
    *,
    age: int,
    parent: DataSource | None = None,
) -> Database:
    database = story.workspace.add_database(
        "Release notes",
        {
            "Version": "title",
            "Headline": "rich_text",
            "What is new": "rich_text",
            "Released": "date",
            "Channel": {"type": "multi_select", "options": ["beta", "stable", "internal"]},
            "Checked": "verification",
            "Author": "people",
            "Link": "url",
        },
        description=description,
        icon="📣",
        parent=parent,
        is_wiki=parent is None,
        id=seeded_id("releases", key),
        created_at=story.founded(age),
    )
    rng = dice("releases", key)
    for number, (version, headline, news) in enumerate(releases):
        born = (story.now - timedelta(days=(age - 10) * (14 - number) // 14)).replace(hour=8, minute=7 * number % 60)
        story.add(
            database.data_source,
            f"release/{key}/{number}",
            {
                "Version": version,
                "Headline": headline,
                "What is new": news,
                "Released": f"{born:%Y-%m-%d}" if headline else None,
                "Channel": rng.sample(["beta", "stable", "internal"], rng.randint(0, 2)),
                "Checked": _verification(story, number, born),
                "Author": [story.staff[rng.randrange(8, 17)]],
                "Link": f"https://shop.fernweh.example/releases/{version}",
            },
            rng=rng,
            born=born,
        )
    return database


def _verification(story: Story, number: int, born: datetime) -> Raw | None:
    """Verified for good, verified for a while, run out, not verified, never asked."""
    verifier = {"object": "user", "id": story.staff[8].id}
    since = f"{born:%Y-%m-%d}T00:00:00.000Z"
    until = f"{born + timedelta(days=90):%Y-%m-%d}T00:00:00.000Z"
    states: tuple[dict[str, Any], ...] = (
        {"state": "verified", "verified_by": verifier, "date": {"start": since, "end": None, "time_zone": None}},
        {"state": "verified", "verified_by": verifier, "date": {"start": since, "end": until, "time_zone": None}},
        {"state": "expired", "verified_by": verifier, "date": {"start": since, "end": until, "time_zone": None}},
        {"state": "unverified", "verified_by": None, "date": None},
    )
    return None if number % 5 == 4 else Raw(states[number % 5])
