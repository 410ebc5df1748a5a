"""Loads an extract into its table, in one transaction.

In: an open connection and an extract. Out: the load result. May import `catalog`, its `state`, `additions` and
`listing`, `config`, `extraction` and `rows`.
"""
