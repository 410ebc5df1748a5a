"""A browser that presses *Allow access* on the sandbox's page by itself: for $BROWSER, where nobody looks."""

from __future__ import annotations

import sys

import httpx

from notion_pipeline_tests.support.accounts.oauth_side import allow
from notion_pipeline_tests.support.patience import PATIENCE

if __name__ == "__main__":
    sys.exit(0 if httpx.get(allow(sys.argv[1]), timeout=PATIENCE).is_success else 1)
