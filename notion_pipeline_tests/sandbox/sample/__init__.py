"""Tests of `notion_pipeline.sandbox.sample`."""
