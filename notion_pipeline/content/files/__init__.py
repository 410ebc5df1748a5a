"""Files that Notion hosts: what tells one from another, and where a downloaded one is kept.

In: addresses and names as pages have them. Out: identities, addresses without their signature, kept files. May import
`notion`.
"""
