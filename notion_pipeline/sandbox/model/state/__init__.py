"""The stored state of one workspace, and of those who read it: their connections and their cursors.

In: records of `model` and `model.content`. Out: the `Store` that `edits` changes and `answers` renders. May import
`control`, `model` and `model.content`.
"""
