"""One run over many databases.

In: targets and options. Out: extracts, each as soon as it is whole. May import `config`, `notion`, `listing`, `rows`,
`extraction`, `catalog` and the root modules.
"""
