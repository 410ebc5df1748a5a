"""Tests of `notion_pipeline.defs.assets`."""
