"""What the sensor finds between runs: databases that were edited or are new, and those that the catalog lacks.

In: a client, the cursor of the last tick, the last listing, what is committed. Out: the next cursor, and the databases
to ask a run for. Opens no catalog. May import `listing`, `config`, `notion` and `rows.text`.
"""
