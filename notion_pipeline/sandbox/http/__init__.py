"""The API over HTTP: routes, credentials, limits, OAuth pages.

May import the other rooms of the sandbox.
"""
