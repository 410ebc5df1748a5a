"""One data source, read whole.

In: a client and a plan. Out: an `Extract`, staged on disk, which a later run can go on with. May import `notion` and
`rows`.
"""
