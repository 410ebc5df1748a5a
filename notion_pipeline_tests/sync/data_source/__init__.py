"""Tests of `notion_pipeline.sync.data_source`."""
