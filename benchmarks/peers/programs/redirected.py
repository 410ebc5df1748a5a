"""Runs a Python command whose address of Notion is fixed against the sandbox: redirected.py COMMAND ARGUMENT...

The peer itself is left as it was published: only `requests` is told another host.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import Any

import requests

_send = requests.Session.send


def _send_elsewhere(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
    request.url = (request.url or "").replace("https://api.notion.com", os.environ["NOTION_API_URL"])
    return _send(self, request, **options)


if __name__ == "__main__":
    requests.Session.send = _send_elsewhere  # type: ignore[method-assign]
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
