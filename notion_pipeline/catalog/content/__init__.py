"""Content in the catalog: `S.page_content`, `S.page_chunks` and the tables beside them.

In: an open connection, and what was read. Out: rows, each page whole or as it was. May import `content`, `config`,
`catalog` and its `state`, and its own `tables`, `due` and `files`.
"""
