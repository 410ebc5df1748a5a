"""One run over many databases.

In: targets and options. Out: extracts, each as soon as it is whole. May import `config`, `notion`, `listing`, `rows`,
`extraction`, `catalog`, `state`, its own `run` and `data_source`, and the root modules.
"""
