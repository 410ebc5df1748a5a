"""Tests of `notion_pipeline.catalog.views`."""
