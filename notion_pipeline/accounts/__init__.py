"""Who we are to Notion: tokens, the OAuth flow, and where tokens are kept.

In: a source's account setting, or a person in a browser. Out: a credential and a client that uses it. May import
`config` and `notion`.
"""
