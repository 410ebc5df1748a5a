"""Notion over HTTP: one method an endpoint, with rate limits, retries and errors.

In: a credential and a question. Out: a parsed response, or an error of ours. May import the root modules.
"""
