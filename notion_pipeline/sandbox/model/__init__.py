"""What a workspace holds: databases, pages, blocks, files, users, connections, and the rules of their values.

In: values as a builder or a request gives them. Out: the stored state (`store`) and the records in it. May import
`control`.
"""
