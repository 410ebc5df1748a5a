"""Reads responses: bodies up to a bound, answers, errors, and how long Notion asks to wait.

In: a response of httpx. Out: an `Answer` of Notion's, one of our errors, or a reason to ask again. Knows nothing of
connections or waiting. May import `rows.text` and the root modules.
"""
