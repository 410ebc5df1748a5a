"""The assets of content, where sources.yaml asks for it: `S/page_content` and those beside it, their job and schedule.

In: a source that asks for content. Out: its assets, with what reads and commits them. May import `defs` and what it
may.

As with tables, the body of an op prepares the reads and yields them; the IO manager commits batch after batch while
the reads go on.
"""
