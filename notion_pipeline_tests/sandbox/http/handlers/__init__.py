"""Tests of `notion_pipeline.sandbox.http.handlers`."""
