"""The questions of `notion-pipeline add`.

In: a person's answers, or flags. Out: sources.yaml with one source added or changed (`writer`). May import `accounts`,
`cli`, `config`, `listing` and `rows`.
"""
