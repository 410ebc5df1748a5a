"""Tests of `notion_pipeline.extraction.references`."""
