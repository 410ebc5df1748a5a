"""What a workspace holds: databases, data sources, pages and users, and the rules of their values.

In: values as a builder or a request gives them. Out: the records that `content` and `state` build on. Imports no other
room.
"""
