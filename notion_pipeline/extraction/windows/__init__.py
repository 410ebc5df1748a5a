"""The windows of a read: spans of `created_time`, each asked for by one query, side by side.

In: a client, and what the rows of a step have in common. Out: the pages of each window, how its query ended, and new
windows cut from it, down to parts of a minute. May import `notion` and `rows` with its `text`.
"""
