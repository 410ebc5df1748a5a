"""Tests of `notion_pipeline.catalog.read`."""
