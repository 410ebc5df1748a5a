"""What the catalog knows of content beside the content itself: when it was read, what of, and what is to be done."""

from __future__ import annotations

from notion_pipeline.catalog.state.versions import VersionedTable

_PAGE = {"source": "VARCHAR", "page_id": "VARCHAR"}

#: When each page was read. A page is settled if Notion's clock had left the minute of its last edit by then: a later
#: edit in that minute would carry the same stamp. `read_at` is local time, here and below.
PAGE_READS = VersionedTable(
    "page_read_versions",
    "page_reads",
    ("source", "page_id"),
    {**_PAGE, "last_edited_time": "TIMESTAMPTZ", "is_settled": "BOOLEAN", "read_at": "TIMESTAMPTZ"},
)
#: When the comments of each page were read.
COMMENT_READS = VersionedTable(
    "comment_read_versions",
    "comment_reads",
    ("source", "page_id"),
    {
        **_PAGE,
        "data_source_id": "VARCHAR",
        "last_edited_time": "TIMESTAMPTZ",
        "includes_blocks": "BOOLEAN",
        "read_at": "TIMESTAMPTZ",
    },
)
#: When Notion was asked for each user.
USER_READS = VersionedTable(
    "user_read_versions",
    "user_reads",
    ("source", "user_id"),
    {"source": "VARCHAR", "user_id": "VARCHAR", "read_at": "TIMESTAMPTZ"},
)
#: From which content, and with which settings, the chunks of each page were made.
CHUNKED_PAGES = VersionedTable(
    "chunked_page_versions",
    "chunked_pages",
    ("source", "page_id"),
    {**_PAGE, "content_hash": "VARCHAR", "settings": "VARCHAR"},
)
#: Which hosted files the content of each page names.
CONTENT_FILES = VersionedTable(
    "content_file_versions",
    "content_files",
    ("source", "page_id", "file_id"),
    {
        **_PAGE,
        **dict.fromkeys(("file_id", "name", "source_url", "path"), "VARCHAR"),
        "size": "BIGINT",
        **dict.fromkeys(("sha256", "mime"), "VARCHAR"),
        "downloaded_at": "TIMESTAMPTZ",
    },
)
#: Files that no page names any more.
FILES_TO_REMOVE = VersionedTable(
    "file_to_remove_versions", "files_to_remove", ("source", "path"), {"source": "VARCHAR", "path": "VARCHAR"}
)
#: Pages that were fetched and are none that can be seen, and those that are to be fetched.
ASKED_PAGES = VersionedTable(
    "asked_page_versions", "asked_pages", ("source", "page_id"), {**_PAGE, "is_due": "BOOLEAN"}
)
#: When pages were last searched for.
PAGE_SEARCHES = VersionedTable(
    "page_search_versions",
    "page_searches",
    ("source",),
    {"source": "VARCHAR", "searched_at": "TIMESTAMPTZ", "whole_at": "TIMESTAMPTZ"},
)
CONTENT_RECORDS = (
    *(PAGE_READS, COMMENT_READS, USER_READS, CHUNKED_PAGES),
    *(CONTENT_FILES, FILES_TO_REMOVE, ASKED_PAGES, PAGE_SEARCHES),
)
