"""The commands of `notion-pipeline`, one module each.

Here are those that set a project up, connect accounts, check, plan and sync. In `sources` are those about sources, in
`catalog` those about what the catalog holds.

In: arguments. Out: printed text and an exit code. What several commands do lies in `cli`. May import `cli` with its
`runs` and `wizard`, the sandbox, and every room below them but `notion`, `extraction` and `content`.
"""
