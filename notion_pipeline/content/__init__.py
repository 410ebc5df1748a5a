"""The words: content of pages as Markdown, cut into chunks; comments, users, standalone pages, files.

In: an open client, and which pages are due. Out: what was read, page by page: complete, or the reason why not. May
import `config`, `listing` (its search), `notion` and `rows`. Knows no catalog.
"""
