"""The accounts that read Notion: their tokens, the OAuth flow, and the store that keeps the tokens.

In: a source's account setting, or a person who authorises in a browser. Out: a credential, and a client that signs its
requests with it (`credentials`). May import `config`, `notion` and `state`.
"""
