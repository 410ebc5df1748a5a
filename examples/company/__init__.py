"""A company's own Dagster code beside notion_pipeline: `dagster dev -m examples.company.definitions` at the project."""
