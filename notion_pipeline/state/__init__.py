"""What the processes of a project share: small documents, locks, and the turns of each account's budget.

In: a folder, or a PostgreSQL that several machines reach. Out: one interface, `State`. Imports the root alone.
"""
