"""The tables of content: their columns, and how one is found or made under a name that no other table has."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from notion_pipeline.catalog import state as bookkeeping
from notion_pipeline.catalog.comments import comment_on
from notion_pipeline.catalog.sql import column_types, is_table, names_in, quote
from notion_pipeline.catalog.state import USERS_CONTENT
from notion_pipeline.catalog.state.content_records import PAGE_READS
from notion_pipeline.catalog.state.versions import create_with_view, is_recorded

Table = tuple[str, str]


@dataclass(frozen=True)
class ContentTable:
    """A kind of content table.

    Attributes:
        name: Its name in the schema of the source, with a `_` behind it where a table has that name already.
        comment: On the table.
        columns: Name, type and comment.
    """

    name: str
    comment: str
    columns: tuple[tuple[str, str, str], ...]


PAGE_CONTENT = ContentTable(
    "page_content",
    "The content of pages as Markdown, one row a page",
    (
        ("page_id", "VARCHAR", "Id of the page; unique; the `id` of its row"),
        ("data_source_id", "VARCHAR", "Data source of its row; NULL for a page that is in no database"),
        ("database_id", "VARCHAR", "Database of its row; NULL for a page that is in no database"),
        ("title", "VARCHAR", "Title of the page"),
        ("url", "VARCHAR", "Address of the page in Notion"),
        ("path", "VARCHAR[]", "Titles of what the page stands in, outermost first"),
        ("markdown", "VARCHAR", "Content as Notion's Markdown; signatures of hosted files' addresses are left out"),
        ("content_hash", "VARCHAR", "SHA-256 of `markdown`, hexadecimal"),
        ("truncated", "BOOLEAN", "Whether parts are missing that could not be read by themselves either"),
        ("unknown_block_ids", "VARCHAR[]", "Blocks that are missing: not shared with the connection, or cut off"),
        ("last_edited_time", "TIMESTAMPTZ", "The page's edit (to the minute) up to which the content was read"),
        ("_synced_at", "TIMESTAMPTZ", "When this row last changed here"),
    ),
)
USERS = ContentTable(
    USERS_CONTENT,
    "The users and groups that rows show, and with `content` the workspace's members and bots, as Notion showed them "
    "last",
    (
        ("id", "VARCHAR", "Id of the user; unique"),
        ("object", "VARCHAR", "`user`, or `group`"),
        ("type", "VARCHAR", "`person` or `bot`; NULL where Notion showed no more than the id"),
        ("name", "VARCHAR", "Name, as Notion showed it last"),
        ("email", "VARCHAR", "Email, where the connection may see it"),
        ("avatar_url", "VARCHAR", "Address of the picture, without a signature; read with `content` alone"),
        (
            "membership",
            "VARCHAR",
            "`member`: in the workspace's list, a person or a bot; `guest`: not in it, known by id; `gone`: neither, "
            "such as a person who left; NULL: not asked for",
        ),
        ("last_seen_at", "TIMESTAMPTZ", "When a sync last brought anything new of the user"),
    ),
)
COMMENTS = ContentTable(
    "comments",
    "The open comments on pages, and on blocks where `inline` is asked for; Notion gives no resolved ones",
    (
        ("id", "VARCHAR", "Id of the comment; unique"),
        ("discussion_id", "VARCHAR", "The thread: comments with the same one answer one another"),
        ("page_id", "VARCHAR", "The page, also of a comment on a block; the `id` of its row"),
        ("block_id", "VARCHAR", "The block that the comment hangs on; NULL for one on the page itself"),
        ("created_time", "TIMESTAMPTZ", "When it was written"),
        ("last_edited_time", "TIMESTAMPTZ", "When it was last edited"),
        ("created_by", "VARCHAR", "Id of the user who wrote it; see `users`"),
        ("display_name", "VARCHAR", "Name that Notion shows as the writer's; an integration may give one of its own"),
        ("text", "VARCHAR", "The words, without formatting"),
        ("rich_text", "JSON", "The words as Notion gives them"),
        ("attachments", "JSON", "Attached files, without the signatures of their addresses; NULL where there are none"),
        ("_synced_at", "TIMESTAMPTZ", "When this row last changed here"),
    ),
)
PAGE_CHUNKS = ContentTable(
    "page_chunks",
    "Page content in pieces, for search and language models; a page's pieces are made again when its content changes",
    (
        ("page_id", "VARCHAR", "Id of the page"),
        ("ordinal", "INTEGER", "Place of the piece in its page, from 0"),
        ("heading_path", "VARCHAR[]", "Headings above the first line of the piece, outermost first"),
        ("text", "VARCHAR", "The piece, as Markdown"),
        ("content_hash", "VARCHAR", "SHA-256 of `text`, hexadecimal"),
    ),
)
PAGES = ContentTable(
    "pages",
    "The pages that are in no database, one row a page",
    (
        ("page_id", "VARCHAR", "Id of the page; unique"),
        ("title", "VARCHAR", "Title of the page"),
        ("url", "VARCHAR", "Address of the page in Notion"),
        (
            "parent_type",
            "VARCHAR",
            "`page`, a row being one too; `workspace`; `agent`; `block` where the page around it cannot be seen",
        ),
        ("parent_id", "VARCHAR", "Id of what it is in; NULL for the workspace"),
        ("parent_block_id", "VARCHAR", "The block of the parent that it is in; NULL where it is in none"),
        ("path", "VARCHAR[]", "Titles of what the page is in, outermost first, as far as they can be seen"),
        ("created_time", "TIMESTAMPTZ", "When it was made"),
        ("last_edited_time", "TIMESTAMPTZ", "When it was last edited, to the minute"),
        ("created_by", "VARCHAR", "Id of the user who made it; see `users`"),
        ("last_edited_by", "VARCHAR", "Id of the user who last edited it; see `users`"),
        ("in_trash", "BOOLEAN", "Whether it was found in Notion's trash"),
        ("icon", "JSON", "Icon, without the signature of its address"),
        ("found_by", "VARCHAR", "`search`; `content`: named by another page's; `parent`: a page in it was found"),
        ("_synced_at", "TIMESTAMPTZ", "When this row last changed here"),
    ),
)
FILES = ContentTable(
    "files",
    "The files that Notion hosts, one row a place that names one",
    (
        ("file_id", "VARCHAR", "What stays of the file's address: workspace, id of the upload, name"),
        ("page_id", "VARCHAR", "The page that names it; the `id` of its row"),
        ("data_source_id", "VARCHAR", "Data source of the page's row; NULL for a page that is in no database"),
        ("kind", "VARCHAR", "`property`, `content`, `icon` or `cover`"),
        ("property", "VARCHAR", "Name of the property; NULL for other kinds"),
        ("name", "VARCHAR", "Name of the file"),
        ("path", "VARCHAR", "Where it is kept; NULL while it is not"),
        ("size", "BIGINT", "Bytes; of a file that is larger than `max_megabytes` too, as its host says"),
        ("sha256", "VARCHAR", "SHA-256 of the bytes, hexadecimal"),
        ("mime", "VARCHAR", "Type of the content, as its host says"),
        ("source_url", "VARCHAR", "Its address in Notion, without the signature that opens it"),
        ("downloaded_at", "TIMESTAMPTZ", "When it was downloaded"),
        ("error", "VARCHAR", "Why it is not kept, or not yet"),
        ("_synced_at", "TIMESTAMPTZ", "When this row last changed here"),
    ),
)
DELETED_AT = ("_deleted_at", "TIMESTAMPTZ", "When the page was found gone from Notion; NULL while it is there")


def create_reads(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the table that says when each page was read."""
    create_with_view(connection, PAGE_READS)


def has_reads(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether content was ever read into this catalog."""
    return is_recorded(connection, PAGE_READS)


def find_table(connection: duckdb.DuckDBPyConnection, source: str, kind: ContentTable) -> Table | None:
    """The table of a source's content; None where there is none yet."""
    name = bookkeeping.content_table(connection, source, kind.name)
    return (source, name) if name is not None and is_table(connection, (source, name)) else None


def make_table(
    connection: duckdb.DuckDBPyConnection, source: str, kind: ContentTable, *, marks_deleted: bool = False
) -> Table:
    """The table, made where it is missing; columns that a table of an earlier version lacks are added.

    Args:
        marks_deleted: Whether rows that are gone from Notion stay, and say so in `_deleted_at`.
    """
    columns = (*kind.columns, DELETED_AT) if marks_deleted else kind.columns
    table = find_table(connection, source, kind)
    if table is None:
        bookkeeping.create_tables(connection)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(source)}")
        table = (source, _free_name(connection, source, kind))
        described = ", ".join(f"{quote(column)} {type_}" for column, type_, _ in columns)
        connection.execute(f"CREATE TABLE {quote(*table)} ({described})")
        comment_on(connection, table, kind.comment, {column: comment for column, _, comment in columns})
        bookkeeping.note_content_table(connection, source, kind.name, table[1])
        return table
    present = column_types(connection, table)
    for column, type_, comment in columns:
        if column not in present:
            connection.execute(f"ALTER TABLE {quote(*table)} ADD COLUMN {quote(column)} {type_}")
            comment_on(connection, table, kind.comment, {column: comment})
    return table


def _free_name(connection: duckdb.DuckDBPyConnection, source: str, kind: ContentTable) -> str:
    taken = {name.lower() for name in names_in(connection, source)}
    taken |= {state.table_name.lower() for state in bookkeeping.stream_states(connection, source).values()}
    name = kind.name
    while name in taken:
        name += "_"
    return name
