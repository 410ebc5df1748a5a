"""Tests of `notion_pipeline.extraction.windows`."""
