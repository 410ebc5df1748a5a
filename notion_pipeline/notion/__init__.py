"""Notion over HTTP: one method an endpoint, with rate limits, retries and errors.

In: a credential and a request. Out: a parsed response, or one of our errors. May import its `responses` and
`limits` and the root modules.
"""
