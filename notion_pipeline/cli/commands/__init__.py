"""One module a command of `notion-pipeline`.

In: arguments. Out: what is printed, and an exit code. May import every room.
"""
