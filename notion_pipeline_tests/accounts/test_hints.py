"""Each hint that names a command names one that works as it stands, in the situation that it is said in."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import httpx
import pytest

from notion_pipeline.accounts.stores.token_store import open_store
from notion_pipeline.addresses import refuse_plain_http
from notion_pipeline.errors import ConfigError
from notion_pipeline.project import find_project
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.connecting_process import Folder
from notion_pipeline_tests.support.accounts.oauth_side import allow
from notion_pipeline_tests.support.patience import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.long]


TWO = """sources:
  - name: first
    account: {type: token, token: {env: FIRST_TOKEN}}
  - name: second
    account: {type: token, token: {env: SECOND_TOKEN}}
"""


@pytest.fixture
def folder(tmp_path: Path, workspace: Workspace, sandbox: SandboxServer) -> Folder:
    workspace.add_database("Tasks", {"Name": "title"}).data_source.add_page({"Name": "one"})
    return Folder(tmp_path / "project", sandbox)


def hint(message: str) -> list[str]:
    """The first command that a message names, without its program."""
    found = re.search(r"`notion-pipeline ([^`]+)`", message)
    assert found, message
    return shlex.split(found[1])


def connect(folder: Folder, *options: str, user: str = "") -> str:
    """Connects in the browser, and gives what the command printed."""
    with folder.connecting(*options) as connecting:
        assert httpx.get(allow(connecting.url, user=user), timeout=PATIENCE).status_code == 200
        code, output = connecting.end()
    assert code == 0, output
    return output


def rotate(ws: Workspace) -> None:
    """The connection gets another token, and its old one is good for nothing."""
    del ws.tokens[ws.token.value]
    ws.token = ws.add_token("ntn_another_token")


def kept(folder: Folder) -> list[str]:
    return [account.bot_id for account in open_store(find_project(folder.root, {})).accounts()]


@pytest.mark.parametrize("source", ["first", "second"])
def test_token_that_was_revoked_is_replaced_where_it_was_kept(folder: Folder, source: str) -> None:
    (folder.root / "sources.yaml").write_text(TWO)
    ws = folder.server.ws
    variable = f"{source.upper()}_TOKEN"
    given = folder.run("connect", "--token", "--source", source, given=f"{ws.token.value}\n")
    assert given.returncode == 0, given.stderr
    assert f"It stands in for {variable}" in given.stdout
    rotate(ws)
    failed = folder.run("sync", "--source", source)
    assert failed.returncode == 1
    assert hint(failed.stderr) == ["connect", "--token", "--variable", variable]
    wrong = folder.run(*hint(failed.stderr), given="ntn_wrong_token\n")
    assert wrong.returncode == 1
    again = folder.run(*hint(wrong.stderr), given=f"{ws.token.value}\n")
    assert again.returncode == 0, again.stderr
    assert folder.run("sync", "--source", source).returncode == 0


def test_accounts_says_the_same(folder: Folder) -> None:
    ws = folder.server.ws
    assert folder.run("connect", "--token", "--variable", "OTHER", given=f"{ws.token.value}\n").returncode == 0
    rotate(ws)
    shown = folder.run("accounts")
    assert hint(shown.stdout) == ["connect", "--token", "--variable", "OTHER"]


def test_a_colleague_connects_in_the_place_of_a_dead_account(folder: Folder) -> None:
    folder.configure("Acme")
    oauth, ws = folder.server.ws.oauth, folder.server.ws
    connect(folder)
    assert folder.run("sync").returncode == 0
    (dead,) = kept(folder)
    oauth.disconnect(dead)
    failed = folder.run("sync")
    assert failed.returncode == 1
    command = hint(failed.stderr)
    assert command == ["connect", "--source", "notion"]
    connect(folder, *command[1:], user=ws.add_user("Bob").id)
    assert len(kept(folder)) == 1
    assert dead not in kept(folder)
    assert folder.run("sync").returncode == 0


def test_two_that_work_are_both_kept_and_the_cure_ends_one(folder: Folder) -> None:
    folder.configure("Acme")
    connect(folder)
    connect(folder, user=folder.server.ws.add_user("Bob").id)
    assert len(kept(folder)) == 2
    failed = folder.run("sync")
    assert failed.returncode == 1
    assert "Several connected accounts" in failed.stderr
    first, second = re.findall(r"`notion-pipeline ([^`]+)`", failed.stderr)
    assert folder.run(*shlex.split(first)).returncode == 0
    assert folder.run(*shlex.split(second)).returncode == 0
    assert folder.run("sync").returncode == 0


def test_add_for_a_workspace_that_is_not_connected(folder: Folder) -> None:
    failed = folder.run("add", "--workspace", "Acme")
    assert failed.returncode == 1
    assert "No account is connected" in failed.stderr
    assert hint(failed.stderr) == ["connect"]
    connect(folder)
    added = folder.run("add", "--workspace", "Acme")
    assert added.returncode == 0, added.stderr
    assert folder.run(*hint(added.stdout)).returncode == 0


def test_add_for_an_account_that_was_revoked(folder: Folder) -> None:
    connect(folder)
    folder.server.ws.oauth.disconnect(kept(folder)[0])
    failed = folder.run("add", "--name", "fresh", "--workspace", "Acme")
    assert failed.returncode == 1
    assert hint(failed.stderr) == ["connect"]
    connect(folder)
    assert folder.run("add", "--name", "fresh", "--workspace", "Acme").returncode == 0


def test_source_whose_workspace_is_not_connected(folder: Folder) -> None:
    folder.configure("Acme")
    failed = folder.run("sync")
    connect(folder, *hint(failed.stderr)[1:])
    assert folder.run("sync").returncode == 0


def test_token_that_no_source_reads_says_how_one_does(folder: Folder) -> None:
    folder.configure("Acme")
    given = folder.run("connect", "--token", given=f"{folder.server.ws.token.value}\n")
    assert given.returncode == 0
    changed = folder.run(*hint(given.stdout))
    assert changed.returncode == 0, changed.stderr
    assert folder.run("sync").returncode == 0


def test_sources_that_were_never_listed(folder: Folder) -> None:
    (folder.root / "sources.yaml").write_text(TWO)
    folder.environ |= {"FIRST_TOKEN": folder.server.ws.token.value, "SECOND_TOKEN": folder.server.ws.token.value}
    listed = folder.run("streams")
    for found in re.findall(r"`notion-pipeline ([^`]+)`", listed.stderr):
        assert "--source" in found
        assert folder.run(*shlex.split(found)).returncode == 0
    assert folder.run("streams").returncode == 0
    never = folder.run("views", "--source", "first")
    for found in re.findall(r"`notion-pipeline ([^`]+)`", never.stderr):
        assert folder.run(*shlex.split(found)).returncode == 0


# Plain http, and what others can read


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://api.notion.com", True),
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8000", True),
        ("http://localhost:8000", True),
        ("http://sandbox.localhost", True),
        ("http://api.notion.com", False),
        ("HTTP://api.notion.com", False),
        ("http://10.0.0.7", False),
        ("http://0.0.0.0:8000", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://notlocalhost", False),
        ("http://[::ffff:10.0.0.7]", False),
    ],
)
def test_plain_http_leaves_this_machine_only_by_name(tmp_path: Path, url: str, is_safe: bool) -> None:
    environ = {"NOTION_API_URL": url}
    if is_safe:
        assert find_project(tmp_path, environ).api_url
        return
    with pytest.raises(ConfigError, match="in clear") as caught:
        find_project(tmp_path, environ)
    name, _, host = re.findall(r"(NOTION_PIPELINE_PLAIN_HTTP)(=)(\S+)", caught.value.hint)[0]
    assert find_project(tmp_path, {**environ, name: host}).api_url
    with pytest.raises(ConfigError):
        find_project(tmp_path, {**environ, name: "other.example"})
    with pytest.raises(ConfigError):
        refuse_plain_http(url, {})


def test_check_warns_of_an_env_file_that_others_can_read(folder: Folder) -> None:
    path = folder.root / ".env"
    path.write_text(f"NOTION_TOKEN={folder.server.ws.token.value}\n")
    for mode, warned in ((0o644, True), (0o640, True), (0o604, True), (0o600, False), (0o400, False)):
        path.chmod(mode)
        checked = folder.run("check")
        assert checked.returncode == 0, checked.stderr
        assert (f"{path} can be read by other users of this machine (mode {mode:04o})" in checked.stdout) is warned
    assert folder.server.ws.token.value not in checked.stdout
