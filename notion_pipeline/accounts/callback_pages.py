"""What a person reads in the browser, or in a shell without one, at the end of an authorisation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; margin: 0; padding: 12vh 1.25rem 2rem;
  background: #f5f5f3; color: #1f1f1f; }
main { max-width: 34rem; margin: auto; background: #fff; border: 1px solid #e2e2df; border-radius: 12px;
  padding: 2rem 2.25rem; border-top: 5px solid #b3541e; }
main.good { border-top-color: #2f7d4f; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .75rem; }
p { margin: .6rem 0; overflow-wrap: anywhere; }
pre { background: #f1f1ee; border-radius: 8px; padding: .8rem 1rem; overflow: auto; font-size: .88rem; }
code { background: #f1f1ee; border-radius: 4px; padding: .1em .3em; font-size: .9em; }
footer { color: #77776f; font-size: .85rem; margin-top: 1.5rem; }
@media (prefers-color-scheme: dark) {
  body { background: #191919; color: #e8e8e6; }
  main { background: #242424; border-color: #383838; }
  pre, code { background: #1b1b1b; }
}
"""


@dataclass(frozen=True)
class Reply:
    """One page.

    Attributes:
        status: Of HTTP.
        title: What happened.
        paragraphs: What it means and what to do next; plain text, commands between backticks.
        code: Lines to copy.
        ends: Whether the authorisation is over with it.
    """

    status: int
    title: str
    paragraphs: tuple[str, ...]
    code: str = ""
    ends: bool = False

    def html(self) -> str:
        """The page, everything in it escaped."""
        paragraphs = "".join(f"<p>{_marked(paragraph)}</p>" for paragraph in self.paragraphs)
        code = f"<pre>{escape(self.code)}</pre>" if self.code else ""
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style></head>"
            f'<body><main class="{"good" if self.status == 200 else "bad"}"><h1>{escape(self.title)}</h1>'
            f"{paragraphs}{code}<footer>notion-pipeline on this computer. You can close this page.</footer>"
            "</main></body></html>\n"
        )

    def text(self) -> str:
        """The same for a terminal."""
        return "\n".join([self.title, *self.paragraphs, *([f"\n{self.code}\n"] if self.code else [])])


def _marked(paragraph: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(paragraph))


def connected(workspace: str, databases: str, next_steps: tuple[str, ...], code: str = "") -> Reply:
    return Reply(200, f"Connected to {workspace}", (databases, *next_steps), code, ends=True)


def cancelled(command: str) -> Reply:
    return Reply(
        400,
        "Nothing was connected",
        (
            "You pressed Cancel in Notion, so nothing was shared and nothing was stored.",
            f"To connect after all, run `{command}` again, choose the pages with your databases and allow access.",
            "Only pages that you have full access to can be chosen. Ask somebody who has it to connect the others.",
        ),
        ends=True,
    )


def refused_by_notion(error: str, description: str, command: str) -> Reply:
    said = f"{error}: {description}" if description else error
    return Reply(
        400,
        "Notion did not connect",
        (
            f"Notion sent you back with an error: {said}.",
            "Compare NOTION_CLIENT_ID and NOTION_REDIRECT_URI with the connection's settings in Notion, then run "
            f"`{command}` again.",
        ),
        ends=True,
    )


def missing_state(command: str) -> Reply:
    return Reply(
        400,
        "This address is not complete",
        (
            "It carries no state, so nobody can tell whether it belongs to the connection being made here. "
            "Nothing was connected.",
            f"Go on from the address that `{command}` printed; do not shorten the one that Notion sends you to.",
        ),
    )


def wrong_state(command: str) -> Reply:
    return Reply(
        400,
        "This page belongs to another connection",
        (
            "Its state is not the one that was sent to Notion from here. It may come from an earlier try, or from "
            "somebody who wants you to connect their workspace. Nothing was connected.",
            f"Go on from the address that `{command}` printed last.",
        ),
    )


def used_state(command: str) -> Reply:
    return Reply(
        400,
        "This page was used already",
        (
            "An address that Notion sends you to is good for one visit, and this one has had it.",
            f"Look at the terminal for how it ended. To connect again, run `{command}` again.",
        ),
    )


def no_code(command: str) -> Reply:
    return Reply(
        400,
        "This address is not complete",
        (
            "It carries neither a code nor an error of Notion's. Nothing was connected.",
            f"Go on from the address that `{command}` printed.",
        ),
    )


def code_refused(said: str, command: str) -> Reply:
    return Reply(
        400,
        "Notion's code was too old, or used already",
        (
            said,
            "A code is good for one use and a short time. Nothing was connected.",
            f"Run `{command}` again and press Allow access without a long break; do not reload this page.",
        ),
        ends=True,
    )


def wrong_client(said: str, command: str) -> Reply:
    return Reply(
        400,
        "Notion does not know this connection",
        (
            said,
            "NOTION_CLIENT_ID and NOTION_CLIENT_SECRET do not fit together. Copy both again from the connection's "
            f"settings at notion.so/profile/integrations into .env, then run `{command}` again.",
        ),
        ends=True,
    )


def failed(said: str, command: str) -> Reply:
    return Reply(
        502, "Connecting failed", (said, f"Look at the terminal for more, then run `{command}` again."), ends=True
    )


def elsewhere(path: str) -> Reply:
    return Reply(404, "Nothing is here", (f"Notion sends browsers to {path} on this address, and to nothing else.",))
