"""Writes a listing into the catalog, names the tables, and keeps what the names in sources.yaml were found to mean.

In: an open connection, a source and its listing. Out: the streams as listed; the databases known from earlier listings.
May import `catalog`, its `state` and `additions`, `config`, `listing` and `rows`.
"""
