"""Dagster's definitions, and nothing else.

In: sources.yaml. Out: assets, jobs, schedules, sensors and checks. May import every room but `cli` and `sandbox`.

Who drives whom: one op fills all assets of a source. Its body reads Notion and yields what it found; Dagster passes
that to `handle_output` of the IO manager, which commits it to the catalog, while the body waits in its `yield`.

- A run that lists yields a `FoundListing`. After the commit the body goes on: it updates the partitions.
- A run that reads starts a `Reading` in a thread of its own and yields it within `DatabaseReads`. The IO manager
  commits one database after another as they finish, so reads and commits overlap. Then it takes the steps that follow:
  views, the published copy, checks, the report of what failed. It raises at the end, where a database failed.
"""
