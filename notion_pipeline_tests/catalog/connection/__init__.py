"""Tests of `notion_pipeline.catalog.connection`."""
