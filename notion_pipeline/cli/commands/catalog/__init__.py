"""The commands about what the catalog holds: streams, views, sources of dbt, changes of schemas.

In: arguments, and the project's catalog. Out: printed text, views, acknowledged changes. May import `cli`, its
`runs`, `config`, `listing`, `defs` and the catalog's rooms.
"""
