"""A whole project at debug level, good runs and bad ones: no secret is in any byte that was written.

None of the secrets looks like a token of Notion's, so that only those who know them can keep them out.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from notion_pipeline.sandbox.control.faults import Fault
from notion_pipeline.sandbox.edits.oauth import SANDBOX_CLIENT_ID
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer
from notion_pipeline_tests.support.accounts.connecting_process import Folder
from notion_pipeline_tests.support.accounts.oauth_side import allow
from notion_pipeline_tests.support.patience import PATIENCE

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parent.parent
INTERNAL_TOKEN = "internal-Yq7Distinctive"
CLIENT_SECRET = "client-Yq7Distinctive"
KEY = "passphrase-Yq7Distinctive"
BASIC = base64.b64encode(f"{SANDBOX_CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
DEBUG = """
python_logs:
  managed_python_loggers: [root, httpx, httpcore, asyncio, filelock]
  python_log_level: DEBUG
"""
SOURCES = """
sources:
  - name: notion
    account: {type: oauth, workspace: Acme}
  - name: internal
    account: {type: token, token: {env: OUR_TOKEN}}
"""


@pytest.fixture
def workspace() -> Workspace:
    workspace = Workspace(token=INTERNAL_TOKEN)
    for title in ("Tasks", "Notes"):
        workspace.add_database(title, {"Name": "title"}).data_source.add_page({"Name": "one"})
    return workspace


@pytest.fixture
def folder(tmp_path: Path, workspace: Workspace, sandbox: SandboxServer) -> Folder:
    folder = Folder(tmp_path / "project", sandbox)
    workspace.oauth.register(SANDBOX_CLIENT_ID, CLIENT_SECRET, [folder.redirect_uri])
    workspace.oauth.settings.token_prefixes = ("access-Yq7Distinctive", "refresh-Yq7Distinctive")
    shutil.copy(ROOT / "workspace.yaml", folder.root)
    (folder.root / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text() + DEBUG)
    (folder.root / "sources.yaml").write_text(SOURCES)
    folder.environ |= {
        "NOTION_CLIENT_SECRET": CLIENT_SECRET,
        "NOTION_PIPELINE_KEY": KEY,
        "OUR_TOKEN": INTERNAL_TOKEN,
        "PYTHONASYNCIODEBUG": "1",
    }
    return folder


def dagster(folder: Folder, job: str) -> tuple[int, str]:
    """A run as Dagster's own commands start it, so that it captures the standard streams as well."""
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "job", "execute", "-m", "notion_pipeline.definitions", "-j", job],
        cwd=folder.root,
        env=folder.environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def everything(folder: Folder, printed: list[str]) -> Iterator[tuple[str, bytes]]:
    yield "what was printed", "\n".join(printed).encode()
    for path in folder.root.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(folder.root)), path.read_bytes()


def test_no_secret_is_in_any_byte_that_was_written(folder: Folder, workspace: Workspace) -> None:
    oauth, printed = workspace.oauth, []
    with folder.connecting() as connecting:
        back = allow(connecting.url)
        assert httpx.get(back, timeout=PATIENCE).status_code == 200
        code, output = connecting.end()
    # The address to open is for the user; its state is not used any more.
    printed.append(output.replace(connecting.url, ""))
    assert code == 0

    for grant in oauth.grants:
        grant.access = dict.fromkeys(grant.access, 0.0)
    good, output = dagster(folder, "notion_sync")
    printed.append(output)
    assert good == 0, output
    assert "had expired; it was refreshed" in output

    access, refresh = next(iter(oauth.grants[0].access)), oauth.grants[0].refresh
    for job, own in (("notion_sync", f"{access} {refresh}"), ("internal_sync", f"{INTERNAL_TOKEN} {KEY}")):
        echo = f"Token {own} {CLIENT_SECRET}"
        refusal = Fault("status", match="/query", status=400, code="validation_error", message=echo, times=99)
        workspace.faults.add(refusal)
        bad, output = dagster(folder, job)
        workspace.faults.clear()
        printed.append(output)
        assert bad != 0
        assert "Token *** *** ***" in output, output
    shown = folder.run("sync", "-v", "--source", "internal")
    assert shown.returncode == 0, shown.stderr
    printed += [shown.stdout, shown.stderr]

    oauth.settings.error_body = "rfc6749"
    oauth.disconnect()
    for arguments in (("sync", "-v", "--source", "notion"), ("accounts",), ("disconnect",)):
        done = folder.run(*arguments)
        printed += [done.stdout, done.stderr]
    assert "The account was disconnected" in " ".join(printed)

    codes, states = list(oauth.codes), [back.rpartition("state=")[2]]
    looked_at = dict(everything(folder, printed))
    assert {".dagster", "catalog.duckdb"} <= {name.split("/")[0] for name in looked_at}
    assert any(name.endswith((".err", ".out")) for name in looked_at), "compute logs were captured"
    assert any(b"receive_response_headers" in content for content in looked_at.values()), "the HTTP library was heard"
    for secret in ("Yq7Distinctive", BASIC, *codes, *states):
        found = [name for name, content in looked_at.items() if secret.encode() in content]
        assert found == [], f"{secret[:4]}... is in {found}"
