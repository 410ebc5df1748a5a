"""Tests of `notion_pipeline.notion.limits`."""
