"""Renames or removes a whole source in the catalog.

In: an open connection and a source's name. Out: what was found, moved and kept. May import `catalog`, its `state` and
`views`, and `rows`.
"""
