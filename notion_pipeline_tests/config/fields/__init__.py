"""Tests of `notion_pipeline.config.fields`."""
