"""One authorisation, from the address for the browser to the account that is kept: state, code and every refusal.

How the browser's way back reaches it, by the callback server or by hand, is left to others. Notion offers no PKCE
(notion-api.md section 12), so the state alone ties the way back to this process.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from notion_pipeline.accounts import callback_pages as pages
from notion_pipeline.accounts.callback_pages import Reply
from notion_pipeline.accounts.oauth_client import OAuthClient, OAuthRefusedError
from notion_pipeline.accounts.stores.stored_account import StoredAccount
from notion_pipeline.errors import AuthorizationError, NotionPipelineError
from notion_pipeline.notion.responses.failures import LONGEST_NAME, one_line
from notion_pipeline.redaction import keep_secret, redact_error


@dataclass(frozen=True)
class Connected:
    """What came of it: the account, and the page that says so."""

    account: StoredAccount
    reply: Reply


class Authorization:
    """A flow that ends once.

    Args:
        client: The public connection.
        finish: Exchanges the code, keeps the account and makes the page.
        command: What starts it again, for the pages.
    """

    def __init__(self, client: OAuthClient, finish: Callable[[str], Connected], *, command: str) -> None:
        self._finish = finish
        self._command = command
        self._state = secrets.token_urlsafe(32)
        self._used = False
        self._lock = threading.Lock()
        keep_secret(self._state)
        self.url = client.authorize_url(self._state)
        self.outcome: Connected | Exception | None = None

    def answer(self, query: str) -> Reply:
        """The page for a way back, whoever sent it; only the one with our state, once, gets anywhere."""
        fields = parse_qs(query, keep_blank_values=True)
        code, state, error, description = (
            _only(fields.get(name)) for name in ("code", "state", "error", "error_description")
        )
        # Notion's words leave open whether Cancel brings the state back (section 12). Taking it without one lets a
        # stranger end a flow, and nothing more.
        if error == "access_denied" and not state:
            return self._cancelled() if self._take() else pages.used_state(self._command)
        if not state:
            return pages.missing_state(self._command)
        if not hmac.compare_digest(state.encode("utf-8", "replace"), self._state.encode()):
            return pages.wrong_state(self._command)
        if not code and not error:
            return pages.no_code(self._command)
        if not self._take():
            return pages.used_state(self._command)
        if error == "access_denied":
            return self._cancelled()
        if error or not code:
            return self._refused(one_line(error, limit=LONGEST_NAME), one_line(description))
        return self._connect(code)

    def _take(self) -> bool:
        """Whether this is the state's first use."""
        with self._lock:
            first, self._used = not self._used, True
            return first

    def _cancelled(self) -> Reply:
        self.outcome = AuthorizationError(
            "Access was cancelled in Notion; nothing was connected.",
            hint=f"Run `{self._command}` again and press Allow access.",
            code="access_denied",
        )
        return pages.cancelled(self._command)

    def _refused(self, error: str, description: str) -> Reply:
        self.outcome = AuthorizationError(
            f"Notion did not authorise: {error}{f' ({description})' if description else ''}.",
            hint="Compare NOTION_CLIENT_ID and NOTION_REDIRECT_URI with the connection's settings in Notion.",
            code=error,
        )
        return pages.refused_by_notion(error, description, self._command)

    def _connect(self, code: str) -> Reply:
        try:
            self.outcome = self._finish(code)
        except OAuthRefusedError as refusal:
            self.outcome = refusal
            if refusal.code == "invalid_grant":
                return pages.code_refused(refusal.message, self._command)
            if refusal.code in ("invalid_client", "unauthorized_client"):
                return pages.wrong_client(refusal.message, self._command)
            return pages.failed(refusal.message, self._command)
        except NotionPipelineError as error:
            self.outcome = error
            return pages.failed(str(error), self._command)
        except Exception as error:  # the terminal gets it; the browser must not be left without an answer
            redact_error(error)
            self.outcome = error
            return pages.failed(f"An unexpected error: {type(error).__name__}.", self._command)
        return self.outcome.reply


def _only(values: list[str] | None) -> str:
    """The value of a parameter; one that comes twice is none (RFC 6749 section 3.1)."""
    return values[0] if values and len(values) == 1 else ""
