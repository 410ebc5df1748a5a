"""The API over HTTP: routes, credentials, limits, faults, OAuth pages, the control endpoints.

In: requests. Out: responses in Notion's form, and edits to the workspace. May import the other rooms of the sandbox,
apart from `sample`.
"""
