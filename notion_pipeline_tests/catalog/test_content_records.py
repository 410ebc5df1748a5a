"""What is recorded of content is only added to as well; the former tables take this form when they are next written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from notion_pipeline.catalog.connection import Catalog
from notion_pipeline.catalog.connection.lake_extensions import load_extensions
from notion_pipeline.catalog.content.chunks import write_chunks
from notion_pipeline.catalog.content.comments import write_comments
from notion_pipeline.catalog.content.due.pages import ContentScope
from notion_pipeline.catalog.content.files.file_listing import list_files
from notion_pipeline.catalog.content.files.stored_files import files_to_remove, note_removed
from notion_pipeline.catalog.content.gone_rows import forget_gone_rows
from notion_pipeline.catalog.content.page_content import write_content
from notion_pipeline.catalog.content.pages import ask_again, pages_state, write_pages
from notion_pipeline.catalog.content.users import forget_reads, write_users
from notion_pipeline.catalog.dialect import FILE, dialect_of
from notion_pipeline.catalog.sql import count_of
from notion_pipeline.catalog.state.content_records import CONTENT_RECORDS, USER_READS
from notion_pipeline.catalog.state.versions import append, create_with_view, is_recorded, remove
from notion_pipeline.config.fields.catalog_location import Lake, location_of
from notion_pipeline.content.chunks import CutPage
from notion_pipeline.content.comments import PageComments
from notion_pipeline.content.files.file_keeping import StoredFile
from notion_pipeline.content.files.hosted_files import HostedFile
from notion_pipeline.content.page_finder import FoundPages
from notion_pipeline.content.pages import DuePage, PageContent, PageResult
from notion_pipeline.content.users import User
from notion_pipeline_tests.support.catalog import catalogs
from notion_pipeline_tests.support.catalog.lakehouse import needs_ducklake


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(catalogs.location(tmp_path), log=print, wait_seconds=5.0)


def reads(catalog: Catalog) -> list[tuple[Any, ...]]:
    with catalog.reading() as connection:
        assert connection is not None
        return connection.execute("SELECT source, user_id FROM _notion_pipeline.user_reads ORDER BY ALL").fetchall()


def test_former_tables_are_read_as_they_are_and_taken_over_by_the_first_write(catalog: Catalog) -> None:
    with catalog.writing() as connection:
        connection.execute("CREATE SCHEMA _notion_pipeline; CREATE SCHEMA mine")
        for table in CONTENT_RECORDS:
            assert not is_recorded(connection, table)
            columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
            connection.execute(f"CREATE TABLE _notion_pipeline.{table.view} ({columns})")
            connection.execute(f"INSERT INTO _notion_pipeline.{table.view} (source) VALUES ('notion')")
            assert is_recorded(connection, table)
        connection.execute("UPDATE _notion_pipeline.user_reads SET user_id = 'ada'")
        connection.execute("CREATE VIEW mine.asked AS SELECT user_id FROM _notion_pipeline.user_reads")
    assert reads(catalog) == [("notion", "ada")]
    with catalog.writing() as connection:
        for table in CONTENT_RECORDS:
            before = connection.execute(f"FROM _notion_pipeline.{table.view}").fetchall()
            for _ in range(2):
                create_with_view(connection, table)
                assert connection.execute(f"FROM _notion_pipeline.{table.view}").fetchall() == before
        append(connection, USER_READS, [("notion", "bo", None), ("notion", "ada", None)])
        assert connection.execute("FROM mine.asked ORDER BY 1").fetchall() == [("ada",), ("bo",)]


def test_row_that_was_removed_may_come_again(catalog: Catalog) -> None:
    with catalog.writing() as connection:
        create_with_view(connection, USER_READS)
        append(connection, USER_READS, [("notion", "ada", None), ("notion", "bo", None), ("other", "ada", None)])
    with catalog.writing() as connection:
        remove(connection, USER_READS, "source = ? AND user_id = ?", ["notion", "ada"])
    assert reads(catalog) == [("notion", "bo"), ("other", "ada")]
    with catalog.writing() as connection:
        append(connection, USER_READS, [("notion", "ada", None)])
    assert reads(catalog) == [("notion", "ada"), ("notion", "bo"), ("other", "ada")]
    with catalog.reading() as connection:
        assert connection is not None
        versions = connection.execute(f"SELECT count(*) FROM {USER_READS.address}").fetchall()
        # In a lake a table begins with a row that is removed.
        assert versions == [(3 if dialect_of(connection) == FILE else 6,)]


AT = datetime(2026, 7, 1, tzinfo=timezone.utc)
SCOPE = ContentScope(("", "tasks"), "rows", "db", None, (), AT)


def page(page_id: str) -> DuePage:
    return DuePage(page_id, "rows", "db", page_id, f"https://notion.so/{page_id}", (), AT)


def commit_content(connection: duckdb.DuckDBPyConnection, source: str, *pages: str) -> None:
    """What a run of content commits: pages with a file that is stored, chunks, a user, comments, a search."""
    rows = ", ".join(f"('{page_id}')" for page_id in pages)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {source}")
    connection.execute(f"CREATE TABLE IF NOT EXISTS {source}.tasks (id VARCHAR)")
    connection.execute(f"INSERT INTO {source}.tasks FROM (VALUES {rows})")
    file = HostedFile("/file", "content", "", "a.pdf", "https://files/file")
    stored = {"/file": StoredFile(f"{source}/a.pdf", 1, "0", None)}
    words = {
        page_id: PageContent(f"words of {page_id}", f"hash of {page_id}", False, (), AT, (file,), stored)
        for page_id in pages
    }
    reads = [PageResult(page(page_id), content) for page_id, content in words.items()]
    write_content(connection, source, reads, AT, deleted_rows="remove")
    write_chunks(
        connection, source, [CutPage(page_id, found.content_hash, "cut", ()) for page_id, found in words.items()]
    )
    write_users(connection, source, [User("ada"), User("bo")], AT)
    write_comments(
        connection,
        source,
        [PageResult(page(page_id), PageComments((), False)) for page_id in pages],
        AT,
        deleted_rows="remove",
    )
    found = FoundPages(hidden={"hidden"}, errors={"failed": ValueError()}, searched_at=AT, is_whole=True)
    write_pages(connection, source, found, AT, deleted_rows="remove")
    list_files(connection, replace(SCOPE, table=(source, "tasks")), AT, deleted_rows="remove")


def records(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, int]:
    """Rows of a source under each name."""
    return {
        table.view: count_of(
            connection, f"SELECT count(*) FROM _notion_pipeline.{table.view} WHERE source = ?", [source]
        )
        for table in CONTENT_RECORDS
        if is_recorded(connection, table)
    }


WRITTEN = {
    **{"page_reads": 2, "comment_reads": 2, "user_reads": 2, "chunked_pages": 2, "content_files": 2},
    **{"files_to_remove": 0, "asked_pages": 2, "page_searches": 1},
}


def test_what_is_written_again_or_goes_leaves_one_row_or_none(catalog: Catalog) -> None:
    for _ in range(2):
        catalog.commit(lambda connection: commit_content(connection, "notion", "a", "b"))
        with catalog.reading() as connection:
            assert connection is not None
            assert records(connection, "notion") == WRITTEN
            state = pages_state(connection, "notion")
            assert (state.hidden, state.named, state.whole_at) == ({"hidden"}, {"failed"}, AT)
    with catalog.writing() as connection:
        connection.execute("DELETE FROM notion.tasks WHERE id = 'b'")
        forget_gone_rows(connection, ("notion", "tasks"), "rows", AT, deleted_rows="remove")
        forget_reads(connection, "notion", "SELECT 'ada'")
        ask_again(connection, "notion", ["hidden", "new", "new"])
        note_removed(connection, "notion", ["notion/a.pdf"])
        found = records(connection, "notion")
        assert found == {
            **{**WRITTEN, "asked_pages": 3},
            **dict.fromkeys(("page_reads", "comment_reads", "user_reads", "chunked_pages"), 1),
        }
        assert connection.execute("SELECT DISTINCT path FROM _notion_pipeline.content_files").fetchall() == [(None,)]
        connection.execute("DELETE FROM notion.tasks")
        forget_gone_rows(connection, ("notion", "tasks"), "rows", AT, deleted_rows="remove")
        list_files(connection, replace(SCOPE, table=("notion", "tasks")), AT, deleted_rows="remove")
        assert records(connection, "notion")["content_files"] == 0
        assert files_to_remove(connection, "notion") == ["notion/a.pdf"]


@needs_ducklake
def test_content_of_two_sources_is_committed_to_a_lake_at_the_same_time(tmp_path: Path) -> None:
    location = location_of(f"ducklake:{tmp_path / 'x.ducklake'}", str(tmp_path / "files"), Path)
    assert isinstance(location, Lake)
    with duckdb.connect() as lake, lake.cursor() as one, lake.cursor() as other:
        load_extensions(lake, location)
        lake.execute(
            f"ATTACH 'ducklake:{location.file}' AS lake (DATA_PATH '{tmp_path / 'files'}', DATA_INLINING_ROW_LIMIT 0)"
        )
        both = ((one, "one"), (other, "other"))
        for connection, source in both:
            connection.execute("USE lake; SET TimeZone = 'UTC'")
            commit_content(connection, source, "a", "b")
        for number in range(3):
            for connection, source in both:
                connection.execute("BEGIN")
                commit_content(connection, source, "a", f"new {number}")
                connection.execute(f"DELETE FROM {source}.tasks WHERE id = 'new {number}'")
                forget_gone_rows(connection, (source, "tasks"), "rows", AT, deleted_rows="remove")
            one.execute("COMMIT")
            other.execute("COMMIT")
        assert records(one, "one") == records(one, "other")
        assert records(one, "one")["page_reads"] == 2
