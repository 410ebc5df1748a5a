"""One data source within a run: its schema, the decision how to read it, and the read.

In: a target, what the catalog knows of it, and the context of the run. Out: an extract, whole. May import `run` beside
it, and what `sync` may import.
"""
