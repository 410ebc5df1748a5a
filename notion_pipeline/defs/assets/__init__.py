"""The assets of a source: `S/databases`, `S/database`, `S/sync`, and one a table.

In: a source, and the targets of a run. Out: what the op of the assets found, yielded to the IO manager. May import
what `defs` may.
"""
