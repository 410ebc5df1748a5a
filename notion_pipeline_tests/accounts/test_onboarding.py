"""`connect`, `disconnect` and `accounts` as processes, and every way back from Notion that is refused."""

from __future__ import annotations

import stat
import threading
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from notion_pipeline.accounts.callback_pages import Reply, connected
from notion_pipeline.accounts.callback_server import CallbackServer, can_be_served
from notion_pipeline.accounts.oauth_client import OAuthClient, OAuthRefusedError
from notion_pipeline.accounts.oauth_flow import Authorization, Connected
from notion_pipeline.accounts.stores.token_store import open_store
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import find_project
from notion_pipeline.redaction import Secret
from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.accounts.stores.test_token_store import ACCOUNT
from notion_pipeline_tests.support.accounts.connecting_process import Folder
from notion_pipeline_tests.support.accounts.oauth_side import allow
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.ports import free_port

CLIENT = OAuthClient("id", Secret("a-secret"), "http://localhost:8917/oauth/callback", "http://127.0.0.1:1")


@pytest.fixture
def folder(tmp_path: Path, workspace: Workspace, sandbox: SandboxServer) -> Folder:
    database = workspace.add_database("Tasks", {"Name": "title"})
    database.data_source.add_page({"Name": "one"})
    return Folder(tmp_path / "project", sandbox)


def kept(folder: Folder) -> list[str]:
    """Bot ids in the folder's store."""
    return [account.bot_id for account in open_store(find_project(folder.root, {})).accounts()]


# Ways back from Notion


class Flow:
    """An authorization whose code is good for anything."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.codes: list[str] = []
        self.failure = failure
        self.authorization = Authorization(CLIENT, self.finish, command="notion-pipeline connect")
        self.state = parse_qs(urlsplit(self.authorization.url).query)["state"][0]

    def finish(self, code: str) -> Connected:
        self.codes.append(code)
        if self.failure is not None:
            raise self.failure
        return Connected(ACCOUNT, connected('"Acme"', "2 databases can be seen.", ()))

    def answer(self, query: str) -> Reply:
        return self.authorization.answer(query.replace("STATE", self.state))


def test_url_asks_for_a_user_with_a_state_of_its_own() -> None:
    asked = [parse_qs(urlsplit(Flow().authorization.url).query) for _ in range(2)]
    assert asked[0]["owner"] == ["user"]
    assert asked[0]["response_type"] == ["code"]
    assert asked[0]["redirect_uri"] == ["http://localhost:8917/oauth/callback"]
    assert asked[0]["state"] != asked[1]["state"]
    assert len(asked[0]["state"][0]) >= 40


@pytest.mark.parametrize(
    ("query", "title", "ends"),
    [
        ("code=c&state=STATE", 'Connected to "Acme"', True),
        ("error=access_denied&state=STATE", "Nothing was connected", True),
        ("error=access_denied&state=", "Nothing was connected", True),
        ("error=access_denied", "Nothing was connected", True),
        ("error=access_denied&state=of-somebody-else", "This page belongs to another connection", False),
        ("error=server_error&error_description=Later&state=STATE", "Notion did not connect", True),
        ("code=c", "This address is not complete", False),
        ("code=c&state=", "This address is not complete", False),
        ("state=STATE", "This address is not complete", False),
        ("", "This address is not complete", False),
        ("code=c&state=STATEx", "This page belongs to another connection", False),
        ("code=c&state=%C3%A9%00", "This page belongs to another connection", False),
        ("code=c&state=STATE&state=STATE", "This address is not complete", False),
        ("code=c&code=d&state=STATE", "This address is not complete", False),
    ],
)
def test_each_way_back_has_its_page(query: str, title: str, ends: bool) -> None:
    flow = Flow()
    reply = flow.answer(query)
    assert (reply.title, reply.ends) == (title, ends)
    assert (flow.authorization.outcome is not None) == ends
    assert flow.codes == (["c"] if reply.status == 200 else [])
    if not ends:
        assert flow.answer("code=good&state=STATE").status == 200


def test_a_callback_is_good_once() -> None:
    flow = Flow()
    assert flow.answer("code=c&state=STATE").status == 200
    for query in ("code=c&state=STATE", "code=other&state=STATE", "error=access_denied&state=STATE"):
        assert flow.answer(query).title == "This page was used already"
    assert flow.codes == ["c"]
    assert isinstance(flow.authorization.outcome, Connected)


@pytest.mark.parametrize(
    ("failure", "title"),
    [
        (OAuthRefusedError("no", code="invalid_grant"), "Notion's code was too old, or used already"),
        (OAuthRefusedError("no", code="invalid_client"), "Notion does not know this connection"),
        (OAuthRefusedError("no", code="invalid_scope"), "Connecting failed"),
        (ConfigError("the folder is open"), "Connecting failed"),
        (KeyError("unforeseen"), "Connecting failed"),
    ],
)
def test_a_failure_has_a_page_and_is_told_in_the_terminal(failure: Exception, title: str) -> None:
    flow = Flow(failure)
    reply = flow.answer("code=c&state=STATE")
    assert (reply.title, reply.ends) == (title, True)
    assert flow.authorization.outcome is failure


def test_everything_on_a_page_is_escaped() -> None:
    reply = Flow().answer("error=%3Cscript%3E&error_description=%22%3E%3Cimg+src%3Dx%3E&state=STATE")
    assert "<script>" not in reply.html()
    assert "<img" not in reply.html()
    assert "&lt;script&gt;" in reply.html()
    page = connected("<i>Acme</i>", "<b>", ("`<u>`",), "<pre>").html()
    assert not any(tag in page for tag in ("<i>", "<b>", "<u>"))


# The callback server


def serve(answer: Reply) -> CallbackServer:
    return CallbackServer(f"http://localhost:{free_port()}/oauth/callback", lambda _: answer)


def get(server: CallbackServer, path: str = "/oauth/callback", **headers: str) -> httpx.Response:
    port = server._parts.port
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=PATIENCE)


def test_the_server_listens_on_loopback_alone_and_leaves_nothing() -> None:
    before = set(threading.enumerate())
    with serve(Reply(200, "Done", (), ends=True)) as server:
        addresses = {listening.server_address[0] for listening in server._servers}
        assert addresses <= {"127.0.0.1", "::1"}
        idle = HTTPConnection("127.0.0.1", server._parts.port or 0)
        idle.connect()  # as a browser does ahead of time
        response = get(server)
        assert server.done.wait(PATIENCE)  # said after the page is sent
    assert set(threading.enumerate()) <= before
    with pytest.raises(httpx.ConnectError):
        get(server)
    idle.close()
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_other_paths_and_names_reach_nothing() -> None:
    with serve(Reply(200, "Done", (), ends=True)) as server:
        assert get(server, "/favicon.ico").status_code == 404
        assert get(server, host="evil.example").status_code == 404
        assert httpx.post(f"http://127.0.0.1:{server._parts.port}/oauth/callback", timeout=PATIENCE).status_code == 501
        assert not server.done.is_set()


def test_a_taken_port_says_what_to_do() -> None:
    with serve(Reply(200, "Done", ())) as server:
        again = CallbackServer(f"http://localhost:{server._parts.port}/oauth/callback", lambda _: Reply(200, "", ()))
        with pytest.raises(ConfigError, match="is in use") as caught, again:
            pass
    assert "--no-browser" in caught.value.hint


@pytest.mark.parametrize(
    ("uri", "served"),
    [
        ("http://localhost:8917/oauth/callback", True),
        ("http://127.0.0.1:1/", True),
        ("http://[::1]:8917/", True),
        ("https://localhost:8917/", False),
        ("https://example.com/cb", False),
        ("http://example.com/cb", False),
        ("http://10.0.0.1/", False),
        ("http://localhost:x/", False),
    ],
)
def test_only_plain_loopback_is_served(uri: str, served: bool) -> None:
    assert can_be_served(uri) is served


# The commands


def test_connecting_without_a_browser_takes_the_pasted_address(folder: Folder) -> None:
    folder.configure("Acme")
    with folder.connecting("--no-browser") as connecting:
        assert "Paste that whole address here" in connecting.output
        back = allow(connecting.url)
        connecting.paste("not an address")
        connecting.paste(back.replace("state=", "state=x"))
        connecting.paste(back)
        code, output = connecting.end()
    assert code == 0, output
    assert "That is not the address" in output
    assert "This page belongs to another connection" in output
    assert "1 database can be seen." in output
    assert 'It is read by source "notion"' in output
    (token_file,) = (folder.root / ".notion_pipeline" / "tokens").glob("*.json")
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600


def test_a_redirect_uri_elsewhere_is_pasted_too(folder: Folder) -> None:
    elsewhere = Folder(folder.root, folder.server, "https://tunnel.example/oauth/callback")
    with elsewhere.connecting() as connecting:
        back = allow(connecting.url)
        assert back.startswith("https://tunnel.example/oauth/callback?code=")
        connecting.paste(back)
        assert connecting.end()[0] == 0
    assert kept(folder) == [folder.server.ws.oauth.grants[0].token.bot.id]


def test_nobody_answering_in_time_ends_it(folder: Folder) -> None:
    with folder.connecting("--wait", "1") as connecting:
        code, output = connecting.end()
    assert code == 1
    assert "Error: Nobody allowed access within 1 seconds; nothing was connected." in output


def test_the_other_workspace_is_noticed(folder: Folder) -> None:
    folder.configure("Another")
    with folder.connecting("--source", "notion") as connecting:
        page = httpx.get(allow(connecting.url), timeout=PATIENCE).text
        code, output = connecting.end()
    assert "Source &quot;notion&quot; reads workspace &quot;Another&quot;, which this one is not." in page
    assert code == 1
    assert 'Error: Source "notion" still reads another workspace' in output
    assert len(kept(folder)) == 1


@pytest.mark.slow
def test_a_token_is_read_from_input_tried_and_kept(folder: Folder) -> None:
    token = folder.server.ws.token.value
    wrong = folder.run("connect", "--token", given="ntn_wrongwrongwrong\n")
    assert wrong.returncode == 1
    assert "Notion does not accept the token" in wrong.stderr
    assert kept(folder) == []
    done = folder.run("connect", "--token", given=f"{token}\n")
    assert done.returncode == 0, done.stderr
    assert 'Connected to "Acme".\n1 database can be seen.\nIt stands in for NOTION_TOKEN' in done.stdout
    synced = folder.run("sync")
    assert synced.returncode == 0, synced.stderr
    assert "ntn_wrong" not in wrong.stdout + wrong.stderr
    assert token not in done.stdout + done.stderr + synced.stdout + synced.stderr
    shown = folder.run("accounts")
    assert "token in place of NOTION_TOKEN" in shown.stdout
    gone = folder.run("disconnect", "--source", "notion")
    assert "An internal connection ends in Notion alone" in gone.stdout
    assert kept(folder) == []


def connect(folder: Folder, **choice: str) -> str:
    """Connects, and gives the bot's id."""
    with folder.connecting() as connecting:
        back = allow(connecting.url, **choice)  # type: ignore[arg-type]
        assert httpx.get(back, timeout=PATIENCE).status_code == 200
        code, output = connecting.end()
    assert code == 0, output
    return folder.server.ws.oauth.grants[-1].token.bot.id


@pytest.mark.slow
def test_accounts_and_disconnect(folder: Folder) -> None:
    oauth, ws = folder.server.ws.oauth, folder.server.ws
    assert "No account is connected" in folder.run("accounts").stdout
    first, again = connect(folder), connect(folder)
    assert kept(folder) == [first] == [again]
    bob = connect(folder, user=ws.add_user("Bob").id)
    folder.configure(bob)
    oauth.disconnect(bob)
    shown = folder.run("accounts")
    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines()[:3]]
    assert [row[-2:] for row in rows[1:]] == [["healthy", first], ["disconnected", bob]]
    assert "Ada Owner" in shown.stdout
    assert f'"Acme" {bob}: Source "notion": The account was disconnected' in shown.stdout
    tokens = [value for grant in oauth.grants for value in (*grant.access, *grant.spent, grant.refresh) if value]
    assert not any(value in shown.stdout for value in tokens)

    unclear = folder.run("disconnect", "Acme")
    assert unclear.returncode == 1
    assert "Several accounts fit" in unclear.stderr
    ended = folder.run("disconnect", first)
    assert 'The connection is ended in Notion. The tokens of "Acme" are forgotten' in ended.stdout
    assert all(grant.ended for grant in oauth.grants)
    ws.faults.add(Fault("html_502", match="/v1/oauth/revoke", times=99))
    folder.environ["NOTION_API_URL"] = f"http://127.0.0.1:{free_port()}"
    unreachable = folder.run("disconnect")
    assert unreachable.returncode == 0
    assert "Notion could not be asked to end the connection" in unreachable.stdout
    assert kept(folder) == []
    assert folder.run("disconnect").returncode == 1


def test_a_connect_whose_tokens_cannot_be_kept_asks_nobody(folder: Folder) -> None:
    connect(folder)
    (token_file,) = (folder.root / ".notion_pipeline" / "tokens").glob("*.json")
    token_file.chmod(0o644)
    refused = folder.run("connect")
    assert refused.returncode == 1
    assert "is open to other users of this machine" in refused.stderr
    assert "authorize" not in refused.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["variable", "kept token", "connected"])
def test_a_home_that_is_open_to_others_is_closed_with_a_word_for_every_account(folder: Folder, kind: str) -> None:
    home = folder.root / ".notion_pipeline"
    token = folder.server.ws.token.value
    if kind == "variable":
        folder.environ["NOTION_TOKEN"] = token
        home.mkdir()
    elif kind == "kept token":
        assert folder.run("connect", "--token", given=f"{token}\n").returncode == 0
    else:
        folder.configure("Acme")
        connect(folder)
    home.chmod(0o755)
    checked = folder.run("sync", "databases")
    assert checked.returncode == 0, checked.stderr
    assert f"{home} was open to other users of this machine (mode 0755); it is closed now." in checked.stderr
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_without_client_credentials_the_message_says_where_they_come_from(folder: Folder) -> None:
    del folder.environ["NOTION_CLIENT_ID"]
    refused = folder.run("connect")
    assert refused.returncode == 1
    assert "NOTION_CLIENT_ID is not set" in refused.stderr
    assert folder.redirect_uri in refused.stderr
