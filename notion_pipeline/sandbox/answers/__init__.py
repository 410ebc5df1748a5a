"""Stored state as Notion's JSON: objects, computed values, filtered and sorted queries.

May import `model`.
"""
