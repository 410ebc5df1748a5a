"""Flat views over the tables, for people and BI tools.

In: the tables of a source. Out: views in its schema `<source>_views`. May import `catalog`, its `state`, and `rows`.
"""
