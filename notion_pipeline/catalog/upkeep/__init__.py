"""What is done to a source as a whole: renamed, removed.

In: an open connection and a source's name. Out: what was found, moved and kept. May import `catalog`, its `views` and
`rows`.
"""
