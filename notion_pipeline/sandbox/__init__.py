"""A pretend Notion on loopback, for the demo, for tests and for anyone who wants to try a client without an account."""
