"""The runs of a source: what starts them, what each reads, and whether its process still lives.

In: sources.yaml; a run's partition keys, config and tags. Out: jobs, schedules, the sensor, partitions and targets.
May import what `defs` may.
"""
