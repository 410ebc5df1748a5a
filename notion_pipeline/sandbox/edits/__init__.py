"""Changes to a workspace: what people do in Notion while it is served.

In: a call. Out: the stored state, changed under its lock. May import `model`, `answers` and `control`.
"""
