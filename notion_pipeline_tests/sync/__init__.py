"""Tests of `notion_pipeline.sync`."""
