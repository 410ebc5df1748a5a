"""The table `S.users`: merges the users that rows, the workspace's list and answers by id show; says whom to ask for.

A partial user does not remove a known name. Users who left the workspace stay, since rows name them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

import duckdb
import pyarrow as pa

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.content.tables.content_tables import (
    COMMENTS,
    PAGE_CONTENT,
    PAGES,
    USERS,
    Table,
    find_table,
    make_table,
)
from notion_pipeline.catalog.content.tables.counts import ContentCounts
from notion_pipeline.catalog.sql import columns_by_table, count_of, quote, text
from notion_pipeline.catalog.state.content_records import USER_READS
from notion_pipeline.catalog.state.versions import append_query, create_with_view, is_recorded, remove
from notion_pipeline.content.users import User

#: What a row shows of a user, beside the id.
SHOWN = ("object", "type", "name", "email")
_UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
#: `<mention-user url="user://<id>"/>`, as Markdown mentions somebody; in text that somebody typed the `<` is escaped.
_MENTION = rf'(?:^|[^\\])<mention-user\s[^>]*?url="[^"?#]*?({_UUID})["?#]'
#: The same in the JSON of rich text.
_MENTION_IN_JSON = rf'"user"\s*:\s*\{{[^{{}}]*?"id"\s*:\s*"({_UUID})"'
_SEEN = pa.schema([(name, pa.string()) for name in ("id", *SHOWN, "avatar_url", "membership")])


def merge_seen(
    connection: duckdb.DuckDBPyConnection, table: Table, told: Sequence[str], now: datetime
) -> ContentCounts:
    """Merges the temporary table `users_seen`; writes nothing if nothing is new.

    Args:
        told: Its columns beside `id`; where one is NULL, what the table knows stays.
        now: For `last_seen_at`.
    """
    target = quote(*table)
    is_news = " OR ".join(f"(s.{name} IS NOT NULL AND s.{name} IS DISTINCT FROM t.{name})" for name in told)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE users_changed AS SELECT s.id, t.id IS NULL AS is_new "
        f"FROM users_seen s LEFT JOIN {target} t ON t.id = s.id WHERE t.id IS NULL OR {is_news}"
    )
    inserted = count_of(connection, "SELECT count(*) FROM users_changed WHERE is_new")
    changed = count_of(connection, "SELECT count(*) FROM users_changed")
    if changed > inserted:
        merged = ", ".join(f"{name} = coalesce(s.{name}, t.{name})" for name in told)
        connection.execute(
            f"UPDATE {target} AS t SET {merged}, last_seen_at = ? FROM users_seen s "
            "WHERE s.id = t.id AND s.id IN (SELECT id FROM users_changed WHERE NOT is_new)",
            [now],
        )
    if inserted:
        names = ", ".join(("id", *told))
        connection.execute(
            f"INSERT INTO {target} ({names}, last_seen_at) SELECT {names}, ? FROM users_seen "
            "WHERE id IN (SELECT id FROM users_changed WHERE is_new) ORDER BY id",
            [now],
        )
    total = count_of(connection, "SELECT count(*) FROM users_seen")
    connection.execute("DROP TABLE users_changed")
    return ContentCounts(inserted, changed - inserted, total - changed)


def write_users(
    connection: duckdb.DuckDBPyConnection, source: str, users: Sequence[User], now: datetime
) -> ContentCounts:
    """Writes users that Notion was asked for, in the caller's transaction, and when it was.

    Args:
        users: Each id once.
        now: Local time.
    """
    create_with_view(connection, USER_READS)
    table = make_table(connection, source, USERS)
    incoming = pa.Table.from_pylist([asdict(user) for user in users], schema=_SEEN)
    connection.register("incoming_users", incoming)
    try:
        connection.execute("CREATE OR REPLACE TEMP TABLE users_seen AS SELECT * FROM incoming_users")
    finally:
        connection.unregister("incoming_users")
    counts = merge_seen(connection, table, (*SHOWN, "membership"), now)
    # Found by a connection that may not list users, so it is not known whether as a member or a guest.
    connection.execute(
        f"UPDATE {quote(*table)} AS t SET membership = NULL FROM users_seen s "
        "WHERE s.id = t.id AND s.membership IS NULL AND t.membership = 'gone'"
    )
    # A new picture is no news of the user: nobody knows whether Notion gives the same address twice.
    connection.execute(
        f"UPDATE {quote(*table)} AS t SET avatar_url = s.avatar_url FROM users_seen s "
        "WHERE s.id = t.id AND s.avatar_url IS NOT NULL AND t.avatar_url IS DISTINCT FROM s.avatar_url"
    )
    seen = "SELECT ? AS source, id AS user_id, ?::TIMESTAMPTZ AS read_at FROM users_seen"
    append_query(connection, USER_READS, seen, [source, now])
    connection.execute("DROP TABLE users_seen")
    return counts


def forget_reads(connection: duckdb.DuckDBPyConnection, source: str, ids: str) -> None:
    """Has users asked for again where a row shows them.

    Args:
        ids: SQL of their ids.
    """
    if _has_reads(connection):
        remove(connection, USER_READS, f"source = ? AND user_id IN ({ids})", [source])


def list_is_due(connection: duckdb.DuckDBPyConnection, source: str, before: datetime | None) -> bool:
    """Whether the workspace's users are to be listed: not since then, or somebody is seen who was never asked for.

    Args:
        before: Local time; None where age does not matter.
    """
    users = find_table(connection, source, USERS)
    if users is None or not _has_reads(connection):
        return True
    # The list is committed whole, so that the newest of its users tells its age.
    ((listed_at,),) = connection.execute(
        "SELECT max(r.read_at) FROM _notion_pipeline.user_reads r "
        f"JOIN {quote(*users)} u ON u.id = r.user_id AND u.membership = 'member' WHERE r.source = ?",
        [source],
    ).fetchall()
    if listed_at is None or (before is not None and listed_at < before):
        return True
    return bool(users_to_ask(connection, source, None, None))


def users_to_ask(
    connection: duckdb.DuckDBPyConnection, source: str, listed: Collection[str] | None, before: datetime | None
) -> list[str]:
    """Ids of the users that the tables show, and that are to be asked for one by one.

    Args:
        listed: Ids in the workspace's list, which need not be asked for; None where it was not read.
        before: Who was asked for before it (local time) is asked for again; None for nobody.
    """
    seen = list(_ids_seen(connection, source))
    if not seen:
        return []
    users, has_reads = find_table(connection, source, USERS), _has_reads(connection)
    joins, conditions = "", ["true"]
    parameters: list[object] = []
    if has_reads:
        joins += " LEFT JOIN _notion_pipeline.user_reads r ON r.source = ? AND r.user_id = s.id"
        conditions = ["r.user_id IS NULL", "r.read_at < ?"]
        parameters += [source, before]
    if users is not None:
        joins += f" LEFT JOIN {quote(*users)} u ON u.id = s.id"
        if has_reads and listed is not None:
            # Who was a member and is not listed any more has left, or is a guest now.
            conditions.append("u.membership = 'member'")
    groups = " AND u.object IS DISTINCT FROM 'group'" if users is not None else ""
    rows = connection.execute(
        f"SELECT DISTINCT s.id FROM ({' UNION '.join(seen)}) s{joins} "
        f"WHERE ({' OR '.join(conditions)}){groups} AND regexp_full_match(s.id, '[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-"
        "[0-9a-f]{12}') ORDER BY s.id",
        parameters,
    ).fetchall()
    return [row[0] for row in rows if listed is None or row[0] not in listed]


def _ids_seen(connection: duckdb.DuckDBPyConnection, source: str) -> Iterator[str]:
    """SQL of the ids of users in each place that shows any."""
    columns = columns_by_table(connection, source)
    places = [
        ((source, state.table_name), name)
        for state in bookkeeping.stream_states(connection, source).values()
        if state.has_table
        for name in ("created_by", "last_edited_by")
    ]
    for kind, name in (*((USERS, "id"), (COMMENTS, "created_by"), (PAGES, "created_by"), (PAGES, "last_edited_by")),):
        if (table := find_table(connection, source, kind)) is not None:
            places.append((table, name))
    for table, name in places:
        if any(column == name and type_ == "VARCHAR" for column, type_, _ in columns.get(table[1], ())):
            yield f"SELECT {quote(name)} AS id FROM {quote(*table)} WHERE {quote(name)} IS NOT NULL"
    for kind, column, sign, pattern in (
        (PAGE_CONTENT, "markdown", "<mention-user", _MENTION),
        (COMMENTS, "rich_text", '"user"', _MENTION_IN_JSON),
    ):
        if (table := find_table(connection, source, kind)) is not None:
            yield _ids_mentioned(table, column, sign, pattern)


def _ids_mentioned(table: Table, column: str, sign: str, pattern: str) -> str:
    words = f"{quote(column)}::VARCHAR"
    named = f"unnest(regexp_extract_all({words}, {text(pattern)}, 1, 'i'))"
    return (
        "SELECT regexp_replace(lower(replace(named, '-', '')), '(.{8})(.{4})(.{4})(.{4})(.{12})', "
        rf"'\1-\2-\3-\4-\5') AS id FROM (SELECT {named} AS named FROM {quote(*table)} "
        f"WHERE contains({words}, {text(sign)}))"
    )


def _has_reads(connection: duckdb.DuckDBPyConnection) -> bool:
    return is_recorded(connection, USER_READS)
