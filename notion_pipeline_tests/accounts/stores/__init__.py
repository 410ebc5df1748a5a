"""Tests of `notion_pipeline.accounts.stores`."""
