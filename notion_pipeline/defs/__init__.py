"""Dagster's definitions, and nothing else.

In: sources.yaml. Out: assets, jobs, schedules, sensors and checks. May import every room but `cli` and `sandbox`.
"""
