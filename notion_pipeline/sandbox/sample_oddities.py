"""The chapter on what nobody planned: an export full of nasty names, an untitled database, an empty one."""

from __future__ import annotations

from typing import Any, Final

from . import sample_words as words
from .objects import Database, Page
from .sample_story import Story, dice, one_in, seeded_id

LEGACY_ROWS: Final = 36

#: A property name as long as the old system allowed.
LONG_NAME: Final = (
    "Remarks of the clerk who entered the order, or of the one who changed it later on; see memo 7 " * 3
)[:200]

#: Names that trouble SQL, file systems, sorting or people, each with its type.
NASTY_NAMES: Final[dict[str, Any]] = {
    "Name": "title",
    "name": "rich_text",
    "NAME": "rich_text",
    "id": "rich_text",
    "ID": {"type": "unique_id", "prefix": "OLD"},
    "Url": "url",
    "properties": "rich_text",
    "created_time": "date",
    "Last edited time": "last_edited_time",
    "parent": "rich_text",
    "icon": {"type": "select", "options": ["📦", "🛒"]},
    "in_trash": "checkbox",
    "_synced_at": "date",
    "_deleted_at": "rich_text",
    "select": {"type": "select", "options": ["from", "where", "group by"]},
    "order": "number",
    "group": {"type": "multi_select", "options": ["a", "A", 'a "quoted" one', "semi;colon", "umläut"]},
    "table": "checkbox",
    '"quoted"': "rich_text",
    "it's": "rich_text",
    "back\\slash/slash": "rich_text",
    "semi;colon -- comment": "rich_text",
    "50% done?": {"type": "number", "format": "percent"},
    "50 % done!": "number",
    "2024 plan": "rich_text",
    "🔥": "checkbox",
    "🧊": "checkbox",
    "trailing space ": "rich_text",
    "trailing space": "rich_text",
    "Größe": "number",
    "Groesse": "number",
    "שם": "rich_text",
    "الاسم": "rich_text",
    "名称": "rich_text",
    "a.b": "rich_text",
    "a_b": "rich_text",
    "line\nbreak": "rich_text",
    LONG_NAME: "rich_text",
}


def add_legacy(story: Story) -> Database:
    """The export of the old ERP system: every name that ever broke a table, in one database."""
    database = story.workspace.add_database(
        '🗄️ Legacy ERP export "final" (don\'t touch; 100%)',
        {
            **NASTY_NAMES,
            "formula": {
                "type": "formula",
                "expression": 'prop("order") * 2',
                "compute": _double,
                "result_type": "number",
                "description": 'A formula that is called formula; its "description" isn\'t tame either',
            },
        },
        description="Nobody knows who needs it. Nobody dares to ask.",
        icon="🗄️",
        id=seeded_id("legacy"),
        created_at=story.founded(726),
    )
    rng = dice("legacy")
    for number in range(LEGACY_ROWS):
        story.add(
            database.data_source,
            f"legacy/{number}",
            {
                "Name": f"Order {number:05d}" if number else "",
                "name": f"lower {number}",
                "NAME": f"UPPER {number}",
                "id": f"old-{number}",
                "Url": f"https://old.fernweh.example/order?id={number}&view='full'",
                "properties": '{"not": "json", "really": ',
                # A year that no SQL date has, once: the old system's word for "unknown".
                "created_time": "0000-01-01" if number == 7 else story.day(rng, oldest=5000, newest=800).isoformat(),
                "parent": rng.choice(("", "root")),
                "icon": rng.choice(("📦", "🛒", None)),
                "in_trash": one_in(rng, 2),
                "_synced_at": "1999-12-31",
                "_deleted_at": "never",
                "select": rng.choice(("from", "where", "group by", None)),
                "order": rng.choice((None, 0, -1, 0.1, 1e15, 123456789.125)),
                "group": rng.sample(["a", "A", 'a "quoted" one', "semi;colon", "umläut"], rng.randint(0, 3)),
                "table": one_in(rng, 2),
                '"quoted"': '"',
                "it's": "'; SELECT 1; --",
                "back\\slash/slash": "C:\\orders\\2016",
                "semi;colon -- comment": "/* */",
                "50% done?": rng.choice((0, 0.5, 1)),
                "50 % done!": 50,
                "2024 plan": "keep",
                "🔥": one_in(rng, 3),
                "🧊": one_in(rng, 3),
                "trailing space ": "with",
                "trailing space": "without",
                "Größe": rng.randint(36, 48),
                "Groesse": rng.randint(36, 48),
                "שם": rng.choice(words.CANDIDATE_ODDITIES),
                "الاسم": "طلب قديم",
                "名称": "旧订单",
                "a.b": "dot",
                "a_b": "underscore",
                "line\nbreak": "one\r\ntwo\u2028three\u0007",
                LONG_NAME: "x" * 2000 if number == 5 else "none",
            },
            rng=rng,
            in_trash=number == 35,
        )
    return database


def _double(page: Page) -> float | None:
    order = page["order"]
    return None if order is None else order * 2


def add_untitled(story: Story) -> Database:
    """A database that nobody gave a title, with the page of the Dubai partner's shop in right-to-left scripts."""
    database = story.workspace.add_database(
        None,
        {
            "العنوان": "title",
            "الكمية": "number",
            "הערות": "rich_text",
            "الحالة": {"type": "status", "options": ["جديد", "قيد التنفيذ", "تم"]},
            "؟": "rich_text",
        },
        id=seeded_id("untitled"),
        created_at=story.founded(210),
    )
    rng = dice("untitled")
    for number, title in enumerate(("خيمة", "حقيبة ظهر", "مصباح رأس", "", "אוהל קטן", "Tarn 2P الرملي", "🏜️")):
        story.add(
            database.data_source,
            f"untitled/{number}",
            {
                "العنوان": title,
                "الكمية": rng.randrange(40),
                "הערות": rng.choice(("", "דחוף", "לבדוק שוב מחר")),
                "الحالة": rng.choice(("جديد", "قيد التنفيذ", "تم", None)),
            },
            rng=rng,
            born=story.born(rng, oldest=200),
        )
    return database


def add_empty(story: Story) -> Database:
    """A database with a schema and no row."""
    return story.workspace.add_database(
        "Ideas for 2027",
        {
            "Idea": "title",
            "Votes": "people",
            "Vote count": {"type": "formula", "expression": 'prop("Votes").length()', "compute": lambda page: 0},
            "When": "date",
            "Sketches": "files",
            "Similar ideas": {"type": "relation", "target": "self", "two_way": None},
        },
        description="Yours could be the first.",
        icon="💡",
        id=seeded_id("ideas"),
        created_at=story.founded(3),
    )
