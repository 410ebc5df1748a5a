"""Content in the catalog: `S.page_content`, `S.page_chunks` and the tables beside them; which pages are due.

In: an open connection, and what was read. Out: rows, each page whole or as it was. May import `content`, `config`,
`catalog` and its `state`.
"""
