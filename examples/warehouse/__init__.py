"""The tables in a warehouse, by dlt: `dagster dev -m examples.warehouse.definitions`; docs/warehouse.md."""
