"""Tests of `notion_pipeline.rows.text`."""
