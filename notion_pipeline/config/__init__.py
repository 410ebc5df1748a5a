"""sources.yaml, read and checked.

In: the project's files and environment. Out: `Sources` with a `Source` for each entry (`sources`), and the rule for
which database a text names (`selection`). May import `rows`, for ids of properties and ISO times.
"""
