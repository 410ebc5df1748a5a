"""Values that an answer shows in part, completed: relations, people, long texts, and what is computed over them.

In: a client, the pages of an answer, and their properties. Out: the same pages with whole values. May import `notion`
and `rows` with its `text`.
"""
