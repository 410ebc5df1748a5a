"""The sandbox's OAuth side where the pipeline's own tests do not go: pages that refuse, and the settings."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from notion_pipeline.sandbox.edits.oauth import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET, SANDBOX_REDIRECT_URI
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.oauth_side import allow
from notion_pipeline_tests.support.patience import PATIENCE

ASKED = {
    "client_id": SANDBOX_CLIENT_ID,
    "redirect_uri": SANDBOX_REDIRECT_URI,
    "response_type": "code",
    "owner": "user",
    "state": "<s>&",
}


@pytest.fixture
def sandbox(workspace: Workspace, sandbox: SandboxServer) -> SandboxServer:
    for title in ("Tasks", "Notes"):
        workspace.add_database(title, {"Name": "title"})
    return sandbox


def authorize(sandbox: SandboxServer, **changes: str | None) -> httpx.Response:
    asked = {name: value for name, value in {**ASKED, **changes}.items() if value is not None}
    return httpx.get(f"{sandbox.url}/v1/oauth/authorize", params=asked, timeout=PATIENCE)


def granted(sandbox: SandboxServer, **choice: object) -> dict[str, object]:
    back = allow(str(authorize(sandbox).url), **choice)  # type: ignore[arg-type]
    code = parse_qs(urlsplit(back).query)["code"][0]
    body = {"grant_type": "authorization_code", "code": code, "redirect_uri": SANDBOX_REDIRECT_URI}
    return post(sandbox, "token", body).json()


def post(sandbox: SandboxServer, endpoint: str, body: object, secret: str = SANDBOX_CLIENT_SECRET) -> httpx.Response:
    url = f"{sandbox.url}/v1/oauth/{endpoint}"
    return httpx.post(url, json=body, auth=(SANDBOX_CLIENT_ID, secret), timeout=PATIENCE)


def seen(sandbox: SandboxServer, token: object) -> set[str]:
    headers = {"Authorization": f"Bearer {token}", "Notion-Version": "2026-03-11"}
    answer = httpx.post(f"{sandbox.url}/v1/search", json={}, headers=headers, timeout=PATIENCE).json()
    return {found["title"][0]["plain_text"] for found in answer["results"] if found["object"] == "data_source"}


@pytest.mark.parametrize("changes", [{"client_id": "other"}, {"redirect_uri": "http://evil.example/"}])
def test_an_unknown_app_or_address_is_sent_nowhere(sandbox: SandboxServer, changes: dict[str, str]) -> None:
    response = authorize(sandbox, **changes)
    assert response.status_code == 400
    assert "Cannot connect" in response.text


@pytest.mark.parametrize("changes", [{"response_type": "token"}, {"owner": None}])
def test_other_mistakes_go_back_with_the_state(sandbox: SandboxServer, changes: dict[str, str | None]) -> None:
    response = authorize(sandbox, **changes)
    assert response.status_code == 303
    back = parse_qs(urlsplit(response.headers["location"]).query)
    assert back["state"] == ["<s>&"]
    assert "error" in back


def test_what_is_asked_comes_back_escaped_and_whole(sandbox: SandboxServer) -> None:
    page = authorize(sandbox)
    assert 'value="&lt;s&gt;&amp;"' in page.text
    cancelled = parse_qs(urlsplit(allow(str(page.url), decision="cancel")).query)
    assert cancelled == {"error": ["access_denied"], "state": ["<s>&"]}


def test_a_grant_sees_the_chosen_databases_alone(sandbox: SandboxServer) -> None:
    tasks = next(iter(sandbox.ws.databases))
    answer = granted(sandbox, databases=[tasks])
    assert seen(sandbox, answer["access_token"]) == {"Tasks"}
    assert set(answer) >= {"bot_id", "workspace_id", "workspace_name", "workspace_icon", "owner", "request_id"}
    assert "expires_in" not in answer


def test_authorising_again_follows_the_settings(sandbox: SandboxServer) -> None:
    settings, (tasks, notes) = sandbox.ws.oauth.settings, list(sandbox.ws.databases)
    first = granted(sandbox, databases=[tasks])
    second = granted(sandbox, databases=[notes])
    assert second["access_token"] != first["access_token"]
    assert second["bot_id"] == first["bot_id"]
    assert seen(sandbox, second["access_token"]) == {"Notes"}
    settings.selection, settings.reauthorising = "extends", "same_tokens"
    third = granted(sandbox, databases=[tasks])
    assert third["access_token"] == second["access_token"]
    assert seen(sandbox, third["access_token"]) == {"Tasks", "Notes"}
    settings.reconnecting = "new_bot"
    sandbox.ws.oauth.disconnect()
    assert granted(sandbox)["bot_id"] != first["bot_id"]


def test_a_refresh_rotates_and_a_page_cursor_outlives_it(sandbox: SandboxServer) -> None:
    sandbox.ws.oauth.settings.old_access_token_survives = True
    answer = granted(sandbox)
    headers = {"Authorization": f"Bearer {answer['access_token']}", "Notion-Version": "2026-03-11"}
    page = httpx.post(f"{sandbox.url}/v1/search", json={"page_size": 1}, headers=headers, timeout=PATIENCE).json()
    renewed = post(sandbox, "token", {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}).json()
    assert renewed["refresh_token"] != answer["refresh_token"]
    assert seen(sandbox, answer["access_token"]) == {"Tasks", "Notes"}
    headers["Authorization"] = f"Bearer {renewed['access_token']}"
    following = {"page_size": 1, "start_cursor": page["next_cursor"]}
    assert httpx.post(f"{sandbox.url}/v1/search", json=following, headers=headers, timeout=PATIENCE).status_code == 200


def test_endpoints_want_the_client_and_a_known_grant_type(sandbox: SandboxServer) -> None:
    assert post(sandbox, "token", {}, secret="wrong").json()["code"] == "invalid_client"
    assert post(sandbox, "token", {"grant_type": "password"}).json()["code"] == "unsupported_grant_type"
    assert post(sandbox, "introspect", {"token": "unknown"}).json()["active"] is False
    assert post(sandbox, "revoke", {"token": "unknown"}).status_code == 200


def test_control_endpoints_set_register_and_disconnect(sandbox: SandboxServer) -> None:
    token = granted(sandbox)["access_token"]
    with httpx.Client(base_url=f"{sandbox.url}/sandbox", timeout=PATIENCE) as http:
        assert http.post("/oauth", json={"access_token_seconds": 2}).json()["settings"]["access_token_seconds"] == 2
        assert http.post("/oauth", json={"no_such": 2}).status_code == 400
        new = {"client_id": "other", "client_secret": "s", "redirect_uris": ["http://localhost:1/cb"]}
        assert http.post("/oauth/apps", json=new).json()["client_id"] == "other"
        assert authorize(sandbox, client_id="other", redirect_uri="http://localhost:1/cb").status_code == 200
        assert http.post("/oauth/disconnect").json() == {"ended": 1}
        state = http.get("/oauth").text
    assert '"ended":true' in state
    assert str(token) not in state
