"""What a workspace holds: databases, data sources, pages, users, tokens, and the rules of their values.

Imports no other room.
"""
