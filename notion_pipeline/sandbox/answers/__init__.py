"""Stored state as Notion's JSON: objects, blocks, Markdown, computed values, filtered and sorted queries.

In: the stored state, the connection that asks, a query's body. Out: JSON values, and the rows that a query finds. May
import `model` and its rooms.
"""
