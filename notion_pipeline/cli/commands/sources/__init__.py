"""The commands about sources: which there are, a new one, one that goes or gets another name.

In: arguments. Out: printed text, sources.yaml with a source added or renamed, tables and files moved or removed. May
import `commands` and what it may.
"""
