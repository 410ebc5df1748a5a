"""How fast a sync is, how much memory it takes and how many requests it costs: one command each, a table each."""
