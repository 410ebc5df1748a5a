"""Users that Notion was asked for, as the table has them then."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import duckdb
import pytest

from notion_pipeline.catalog.content.users import list_is_due, users_to_ask, write_users
from notion_pipeline.content.users import User

NOW = datetime(2026, 7, 1, tzinfo=timezone.utc)
ADA, BO, GUS = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    write_users(
        made,
        "notion",
        [User(ADA, "user", "person", "Ada", membership="member"), User(BO, "user", membership="gone")],
        NOW,
    )
    return made


def membership(connection: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    return dict(connection.execute("SELECT id, membership FROM notion.users").fetchall())


def test_what_is_known_stays_where_an_answer_lacks_it(connection: duckdb.DuckDBPyConnection) -> None:
    counts = write_users(connection, "notion", [User(ADA, "user", None, None, "a@b.c", membership="member")], NOW)
    assert (counts.inserted, counts.updated, counts.unchanged) == (0, 1, 0)
    shown = connection.execute("SELECT type, name, email FROM notion.users WHERE id = ?", [ADA]).fetchall()
    assert shown == [("person", "Ada", "a@b.c")]


def test_new_picture_is_kept_and_is_no_news(connection: duckdb.DuckDBPyConnection) -> None:
    user = User(ADA, "user", "person", "Ada", None, "https://e.org/a.png", "member")
    counts = write_users(connection, "notion", [user], NOW + timedelta(days=1))
    assert (counts.updated, counts.unchanged) == (0, 1)
    shown = connection.execute("SELECT avatar_url, last_seen_at = ? FROM notion.users WHERE id = ?", [NOW, ADA])
    assert shown.fetchall() == [("https://e.org/a.png", True)]


def test_who_is_found_without_a_list_is_not_gone_any_more(connection: duckdb.DuckDBPyConnection) -> None:
    write_users(connection, "notion", [User(BO, "user", "person", "Bo")], NOW)
    assert membership(connection) == {ADA: "member", BO: None}


def test_list_is_due_by_age_and_for_whoever_was_never_asked_for(connection: duckdb.DuckDBPyConnection) -> None:
    assert not list_is_due(connection, "notion", NOW - timedelta(hours=1))
    assert not list_is_due(connection, "notion", None)
    assert list_is_due(connection, "notion", NOW + timedelta(hours=1))
    connection.execute("INSERT INTO notion.users (id, object) VALUES (?, 'user'), ('no id', 'user')", [GUS])
    assert list_is_due(connection, "notion", None)
    assert users_to_ask(connection, "notion", {ADA}, None) == [GUS]
    connection.execute("UPDATE notion.users SET object = 'group' WHERE id = ?", [GUS])
    assert not list_is_due(connection, "notion", None)


def test_member_who_is_not_listed_any_more_is_asked_for(connection: duckdb.DuckDBPyConnection) -> None:
    assert users_to_ask(connection, "notion", set(), None) == [ADA]
    # Who is gone is asked for again when that is old.
    assert users_to_ask(connection, "notion", set(), NOW + timedelta(days=1)) == [ADA, BO]
    # Where the list cannot be read, nobody's absence from it means anything.
    assert users_to_ask(connection, "notion", None, None) == []
