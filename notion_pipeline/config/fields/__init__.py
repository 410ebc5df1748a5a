"""Single values of sources.yaml: how each is checked, and how the JSON schema describes it.

In: a value as YAML gives it. Out: the value in its type, or what is wrong with it, in one sentence. May import the root
modules alone.
"""
