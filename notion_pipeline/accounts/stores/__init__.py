"""Where connected accounts are kept: as files, or as rows in PostgreSQL, their tokens sealed.

In: an account. Out: the account, by its source's name, for one process at a time where it is to be changed. May import
`state`, and `config` for where the project's state is.
"""
