"""Tests of `notion_pipeline.defs.checks`."""
