"""What the IO manager does with what assets hand over: commits it, then takes the steps that follow.

In: a listing, or databases as their reads end. Out: rows in the catalog, and Dagster's events of each asset. May
import what `defs` may.
"""
