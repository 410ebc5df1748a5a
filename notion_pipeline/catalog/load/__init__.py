"""Writes an extract into its table, in one transaction.

In: an open connection and an extract. Out: the load result. May import `catalog`, `rows` and `extraction`.
"""
