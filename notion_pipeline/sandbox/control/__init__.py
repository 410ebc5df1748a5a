"""What only tests need: faults on request, switches for what Notion leaves open, the requests received.

In: settings, from a test. Out: the values that the other rooms of the sandbox ask for. Imports no other room.
"""
