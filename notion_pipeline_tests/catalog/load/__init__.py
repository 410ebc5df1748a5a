"""Tests of `notion_pipeline.catalog.load`."""
