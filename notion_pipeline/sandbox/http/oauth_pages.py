"""What a person sees of the pretend Notion's OAuth: the page that asks for access, and the one that cannot ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from notion_pipeline.sandbox.model.objects import Database
from notion_pipeline.sandbox.model.users import User

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #f6f5f4; margin: 0; padding: 3rem 1rem; }
main { max-width: 30rem; margin: auto; background: #fff; border: 1px solid #ddd; border-radius: 10px; padding: 2rem; }
h1 { font-size: 1.3rem; margin-top: 0; }
fieldset { border: 1px solid #ddd; border-radius: 6px; max-height: 18rem; overflow: auto; }
fieldset label { display: block; padding: .15rem 0; }
p.note { color: #666; font-size: .85rem; }
div.actions { display: flex; gap: .75rem; justify-content: flex-end; margin-top: 1.5rem; }
button { font: inherit; padding: .45rem 1.1rem; border-radius: 6px; border: 1px solid #bbb; background: #fff; }
button[value=allow] { background: #2383e2; border-color: #2383e2; color: #fff; }
"""


def _page(title: str, content: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><main>{content}</main></body></html>"
    )


def consent_page(
    app: str, workspace: str, databases: Iterable[Database], users: Iterable[User], asked: Mapping[str, str]
) -> str:
    """Which pages the app may see, with Allow and Cancel. `asked` comes back with the form as it came."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in asked.items()
    )
    choices = "".join(
        f'<label><input type="checkbox" name="database" value="{escape(database.id)}" checked> '
        f"{escape(database.title or 'Untitled')}</label>"
        for database in databases
    )
    people = "".join(f'<option value="{escape(user.id)}">{escape(user.name or "")}</option>' for user in users)
    return _page(
        "Connect with the sandbox",
        f"<h1>{escape(app)} would like access to {escape(workspace)}</h1>"
        f'<form method="post" action="/v1/oauth/authorize">{hidden}'
        f'<p><label>Signed in as <select name="user">{people}</select></label></p>'
        f"<fieldset><legend>Pages it may see</legend>{choices}</fieldset>"
        '<p class="note">This is the sandbox: a pretend Notion on this machine.</p>'
        '<div class="actions"><button name="decision" value="cancel">Cancel</button>'
        '<button name="decision" value="allow">Allow access</button></div></form>',
    )


def refusal_page(reason: str) -> str:
    """Where the browser must not be sent back: the app or its address is not known."""
    return _page("Cannot connect", f"<h1>Cannot connect</h1><p>{escape(reason)}</p>")
