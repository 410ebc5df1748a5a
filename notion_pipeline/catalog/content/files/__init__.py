"""The hosted files that rows and content name, in `S.files`: listed, kept, and gone.

In: an open connection. Out: the files that are to be fetched or removed, and a row for each. May import `tables` and
`due` beside it, `content` with its `files`, and `catalog` with its `state`.
"""
