"""Programs that run in the peers' environments, by their path: they import the peer, and nothing of this project."""
