"""A source as a component of a Dagster project that somebody has already.

In: the attributes of a `defs.yaml`, which are the keys of one source of sources.yaml. Out: the definitions of `defs`.
May import the root's modules, `config`, `catalog` and its `read`, `rows` and `defs`.
"""
