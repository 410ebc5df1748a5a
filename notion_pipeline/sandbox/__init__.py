"""A pretend Notion, for the demo and the tests.

It shares nothing with the pipeline, so that it cannot share its mistakes.
"""
