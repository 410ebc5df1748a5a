"""The checks of tables: what a careful user would ask of each after every sync.

In: the catalog, and what the checks found before. Out: check results of a step of their own, or with a sync. May
import what `defs` may.
"""
