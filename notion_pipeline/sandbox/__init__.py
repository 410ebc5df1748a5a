"""A pretend Notion, for the demo and the tests.

In: a workspace, as `sample` or a test builds it. Out: Notion's API over HTTP. Its rooms may import each other and
nothing else: what shares nothing with the pipeline cannot share its mistakes.
"""
