"""Tests of `notion_pipeline.cli.wizard`."""
