"""Tests of `notion_pipeline.catalog.content`."""
