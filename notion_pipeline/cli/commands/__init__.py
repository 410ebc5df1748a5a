"""The commands of `notion-pipeline`, one module each.

In: arguments. Out: printed text and an exit code. May import every room but `notion` and `extraction`; what several
commands do lies in `cli`.
"""
