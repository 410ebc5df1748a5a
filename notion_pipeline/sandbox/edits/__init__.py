"""Changes to a workspace: what people do in Notion while it is served.

In: a call, from a test or a request. Out: the stored state, changed under its lock. May import `control`, `model`
with its rooms, and `answers`.
"""
