"""How fast one account is asked: its pace, the pauses that Notion orders, and whose turn it is.

In: requests about to be sent, and what Notion answered. Out: the moment at which each may go; what a run took of the
account's limit. May import `state`, by which the processes of an account share it.
"""
