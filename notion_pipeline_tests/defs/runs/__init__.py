"""Tests of `notion_pipeline.defs.runs`."""
