"""The commands of `notion-pipeline`, one module each.

Here are those that set a project up, connect accounts, check, plan and sync. In `sources` are those about sources, in
`catalog` those about what the catalog holds.

In: arguments. Out: printed text and an exit code. May import every room but `notion` and `extraction`; what several
commands do lies in `cli`.
"""
