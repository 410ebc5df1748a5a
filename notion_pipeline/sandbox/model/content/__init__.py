"""What pages hold beside their properties: blocks, text, files, comments.

In: text, or a block's type and values. Out: `Block`, `HostedFile` and `Comment`. May import `model`.
"""
