"""Which pages are due: those whose content or comments the catalog lacks, or has of an older edit.

In: an open connection and the settings of a stream. Out: pages, without a request. May import `tables` beside it,
`content`, `config` and `catalog` with its `state`.
"""
