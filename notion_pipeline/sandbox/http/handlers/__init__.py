"""One function for each method and path of Notion's API.

In: a `Call`: a request whose sender, version and parameters are checked. Out: the answer as JSON, and edits to the
workspace. May import `model` and its rooms, `answers` and `edits`.
"""
