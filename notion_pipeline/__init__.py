"""A company's Notion databases in a SQL catalog, and kept there: complete, exact, resumable."""
