"""The sample workspace: two years of an invented company that sells tents, told in eighteen databases.

It is what `sandbox` serves and `demo` reads, and it is meant to be looked at: people, tasks, projects, objectives,
customers, invoices, minutes, tickets. In between it holds whatever makes reading Notion hard: every property type,
names that SQL dislikes, scripts from right to left, references beyond 25, rows archived and in the trash, two
databases of one title and one of none, and a database that is not shared. Each call gives the same, ids included.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime, timezone
from typing import Any, Final

from . import sample_words as words
from .sample_oddities import add_empty, add_legacy, add_untitled
from .sample_story import Story
from .sample_talk import add_meetings, add_releases, add_support
from .sample_team import add_candidates, add_people, add_salaries
from .sample_trade import add_customers, add_deals, add_events, add_invoices, add_products
from .sample_work import add_objectives, add_projects, add_tasks
from .workspace import Workspace

#: Letters that no decomposition turns into plain ones.
_NO_MARKS_TO_DROP: Final = str.maketrans("øłı", "oli")
#: Where the story ends when nobody says otherwise.
STORY_ENDS: Final = datetime(2026, 7, 1, 9, 0, tzinfo=timezone.utc)
SAMPLE_TOKEN: Final = "ntn_sandbox_token"  # noqa: S105 - opens the pretend workspace and nothing else


def sample_workspace(*, token: str = SAMPLE_TOKEN, now: datetime | None = None, **options: Any) -> Workspace:
    """The company's workspace, as one connection sees it.

    Args:
        token: What the connection shows as its bearer token.
        now: Aware moment at which the story ends; every row is older. The dates move along with it, the ids do not.
        **options: Handed on to Workspace, such as `switches`.
    """
    now = now or STORY_ENDS
    workspace = Workspace(**{"name": words.COMPANY, "token": token, "now": now, **options})
    _write(_begin(workspace, now))
    return workspace


def _begin(workspace: Workspace, now: datetime) -> Story:
    """The story with its cast and nothing told yet."""
    staff = tuple(workspace.add_user(line[0], email=_email(line[0])) for line in words.STAFF)
    bots = tuple(workspace.add_user(name, kind="bot") for name in ("Shop events", "Mail to ticket"))
    return Story(workspace, now.replace(second=0, microsecond=0), staff, bots)


def _email(name: str) -> str:
    """The address of a person: letters without their marks, words joined by dots."""
    bare = unicodedata.normalize("NFKD", name.casefold().translate(_NO_MARKS_TO_DROP))
    words_of_it = ("".join(c for c in part if c.isascii() and c.isalpha()) for part in bare.split())
    return ".".join(words_of_it) + "@fernweh.example"


def _write(story: Story) -> None:
    """Tell each chapter, what is pointed at before what points at it."""
    salaries = add_salaries(story)
    people = add_people(story, salaries)
    tasks = add_tasks(story)
    projects = add_projects(story, tasks)
    add_objectives(story, projects)
    add_meetings(story, projects)
    products = add_products(story)
    add_customers_and_trade(story)
    add_events(story, products)
    add_support(story, products)
    add_releases(story)
    add_candidates(story, people)
    add_legacy(story)
    add_untitled(story)
    add_empty(story)


def add_customers_and_trade(story: Story) -> None:
    """Deals first: the customers roll them up."""
    deals = add_deals(story)
    add_invoices(story, add_customers(story, deals))
