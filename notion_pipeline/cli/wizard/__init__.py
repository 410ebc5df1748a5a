"""The questions of `notion-pipeline add`.

In: a person's answers. Out: sources.yaml with one source added or changed. May import `accounts`, `catalog`, `cli`,
`config` and `listing`.
"""
