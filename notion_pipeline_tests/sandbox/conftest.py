"""Fixtures of the sandbox's tests."""

from __future__ import annotations

from notion_pipeline_tests.support.sandbox.public_sdk import notion, url, ws

__all__ = ["notion", "url", "ws"]
