"""Search over page content, for a project with `chunks: true`: `dagster dev -m examples.search.definitions`."""
