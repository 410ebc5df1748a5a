"""Tests of `notion_pipeline.cli.commands`."""
