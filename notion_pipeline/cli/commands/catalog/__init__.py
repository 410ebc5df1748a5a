"""The commands about what the catalog holds: streams, views, sources of dbt, changes of schemas, its place.

In: arguments, and the project's catalog. Out: printed text, views, acknowledged changes, a copy of the catalog. May
import `cli`, its `runs`, what `commands.sources` says of sources at work, `config`, `listing`, `defs` and the
catalog's rooms.
"""
