"""Tests of `notion_pipeline.content.files`."""
