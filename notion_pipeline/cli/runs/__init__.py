"""The jobs of a project run in this process, with their progress, and the runs that Dagster remembers.

In: sources, and the project's Dagster instance. Out: progress on standard error, outcomes, the last and next runs. May
import `cli`, `config`, `defs`, `sync` and the catalog's `read`.
"""
