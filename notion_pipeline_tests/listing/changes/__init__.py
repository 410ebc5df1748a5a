"""Tests of `notion_pipeline.listing.changes`."""
