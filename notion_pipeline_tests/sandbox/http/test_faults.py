"""Scripted faults, the rate limit, the request log and the control endpoints of the sandbox."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from notion_client import Client

from notion_pipeline.sandbox.control.faults import Fault, RateLimit, RateWindows
from notion_pipeline.sandbox.edits.workspace import Workspace
from notion_pipeline.sandbox.http.server import SandboxServer, serve
from notion_pipeline_tests.support.patience import PATIENCE
from notion_pipeline_tests.support.sandbox.public_sdk import HEADERS


@pytest.fixture
def http(ws: Workspace) -> Iterator[httpx.Client]:
    with SandboxServer(ws) as server, httpx.Client(base_url=server.url, headers=HEADERS, timeout=PATIENCE) as client:
        yield client


def me(http: httpx.Client) -> httpx.Response:
    return http.get("/v1/users/me")


@pytest.mark.parametrize(
    "reason",
    [
        "public_api_request_rate_limit", "public_api_space_request_rate_limit",
        "public_api_endpoint_rate_limit", "public_api_request_blocked",
    ],
)  # fmt: skip
def test_rate_limit_carries_header_and_additional_data(ws: Workspace, http: httpx.Client, reason: str) -> None:
    ws.faults.add(Fault("rate_limit", reason=reason, retry_after=12))
    answer = me(http)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "12")
    assert answer.json()["code"] == "rate_limited"
    assert answer.json()["additional_data"] == {"rate_limit_reason": reason, "retry_after": "12"}
    assert me(http).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "code"),
    [
        (Fault("overload", retry_after=3), 529, "application/json; charset=utf-8", "service_overload"),
        (Fault("status", status=500), 500, "application/json; charset=utf-8", "internal_server_error"),
        (
            Fault("status", status=504, code="gateway_timeout"),
            504,
            "application/json; charset=utf-8",
            "gateway_timeout",
        ),
        (Fault("status", status=403, html=True), 403, "text/html", None),
        (Fault("html_502"), 502, "text/html", None),
        (Fault("timeout_503"), 503, "application/json; charset=utf-8", "service_unavailable"),
        (Fault("unauthorized"), 401, "application/json; charset=utf-8", "unauthorized"),
        (Fault("error_200", status=502, code="bad_gateway"), 200, "application/json; charset=utf-8", "bad_gateway"),
    ],
)
def test_fault_answers_once(
    ws: Workspace, http: httpx.Client, fault: Fault, status: int, content_type: str, code: str | None
) -> None:
    fault.seen = fault.fired = 0
    ws.faults.add(fault)
    answer = me(http)
    assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
    if code is not None:
        assert answer.json()["code"] == code
        assert answer.json()["object"] == "error"
    assert me(http).status_code == 200


def test_timeout_503_has_retry_guidance(ws: Workspace, http: httpx.Client) -> None:
    ws.faults.add(Fault("timeout_503"))
    assert "Reduce page_size" in me(http).json()["additional_data"]["retry_guidance"]


@pytest.mark.parametrize("kind", ["reset", "cut_body", "hang"])
def test_connection_breaks_and_the_next_request_is_fine(ws: Workspace, http: httpx.Client, kind: str) -> None:
    ws.faults.add(Fault(kind, seconds=0.01))
    with pytest.raises(httpx.TransportError):
        me(http)
    assert me(http).status_code == 200


def test_invalid_json_and_delay(ws: Workspace, http: httpx.Client) -> None:
    ws.faults.add(Fault("invalid_json"))
    ws.faults.add(Fault("delay", seconds=0.01))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        me(http).json()
    assert me(http).status_code == 200


def test_hang_ends_with_the_server(ws: Workspace) -> None:
    ws.faults.add(Fault("hang"))
    failed: list[Exception] = []
    with SandboxServer(ws) as server:

        def ask() -> None:
            try:
                httpx.get(server.url + "/v1/users/me", headers=HEADERS, timeout=PATIENCE)
            except httpx.TransportError as error:
                failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not ws.requests:
            thread.join(0.005)
    thread.join(PATIENCE)
    assert len(failed) == 1


def test_faults_hit_the_nth_matching_request_and_as_often_as_told(ws: Workspace, http: httpx.Client) -> None:
    ws.faults.add(Fault("status", match=r"GET /v1/users/me$", at=2, times=2, status=500))
    ws.faults.add(Fault("status", match=r"POST /v1/search", status=503))
    statuses = [me(http).status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    assert [http.post("/v1/search", json={}).status_code for _ in range(2)] == [503, 200]
    assert ws.faults.planned == []


def test_call_edits_the_workspace_at_an_exact_request(ws: Workspace, http: httpx.Client) -> None:
    source = ws.add_database("Tasks", {"Name": "title"}).data_source
    ws.faults.add(Fault("call", match="query", at=2, callable=lambda: source.add_page({"Name": "late"})))
    counts = [len(http.post(f"/v1/data_sources/{source.id}/query", json={}).json()["results"]) for _ in range(3)]
    assert counts == [0, 1, 1]


def test_error_in_a_formula_is_a_500_in_notions_form(
    ws: Workspace, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    schema = {"Name": "title", "Bad": {"type": "formula", "compute": lambda page: 1 / 0}}
    page = ws.add_database("T", schema).data_source.add_page({"Name": "x"})
    answer = http.get(f"/v1/pages/{page.id}")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_server_error")
    assert "division by zero" in caplog.text
    assert me(http).status_code == 200


def test_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="no such fault: meteor"):
        Fault("meteor")


def test_window_refuses_what_is_beyond_the_budget(ws: Workspace, http: httpx.Client) -> None:
    ws.add_token("ntn_other")
    ws.rate_limit = RateLimit(requests=2, window_seconds=60)
    answers = [me(http) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert answers[2].json()["additional_data"]["retry_after"] == answers[2].headers["retry-after"]
    other = http.get("/v1/users/me", headers={"Authorization": "Bearer ntn_other"})
    assert other.status_code == 200


def test_window_opens_again(ws: Workspace, http: httpx.Client) -> None:
    seconds = [0.0]
    ws.rate_windows = RateWindows(now=lambda: seconds[0])
    ws.rate_limit = RateLimit(requests=1, window_seconds=60)
    assert me(http).status_code == 200
    seconds[0] = 59.9
    assert me(http).status_code == 429
    seconds[0] = 60.0
    assert me(http).status_code == 200


def test_log_holds_every_api_request(ws: Workspace, http: httpx.Client) -> None:
    me(http)
    http.get("/v1/users?page_size=1")
    http.post("/v1/search", json={"query": "a"})
    http.get("/v1/nonsense")
    http.get("/sandbox/clock", timeout=PATIENCE)
    assert [(r.method, r.path, r.query, r.body, r.status) for r in ws.requests] == [
        ("GET", "/v1/users/me", "", None, 200),
        ("GET", "/v1/users", "page_size=1", None, 200),
        ("POST", "/v1/search", "", {"query": "a"}, 200),
        ("GET", "/v1/nonsense", "", None, 400),
    ]
    assert ws.requests[0].version == "2026-03-11"
    assert ws.requests[0].at == ws.clock.now()


def test_control_endpoints_count_and_reset_requests(ws: Workspace, http: httpx.Client) -> None:
    me(http)
    seen: dict[str, Any] = http.get("/sandbox/requests").json()
    assert (seen["count"], seen["by_path"]) == (1, {"GET /v1/users/me": 1})
    assert "token" not in seen["requests"][0]
    assert http.delete("/sandbox/requests").json() == {"count": 0}
    assert ws.requests == []


def test_control_endpoints_move_the_clock(ws: Workspace, http: httpx.Client) -> None:
    moved = http.post("/sandbox/clock", json={"set": "2026-08-01T00:00:00Z", "advance_seconds": 5, "skew_seconds": -60})
    assert moved.json() == {"now": "2026-08-01T00:00:05.000Z", "skew_seconds": -60.0}
    assert me(http).headers["date"] == "Fri, 31 Jul 2026 23:59:05 GMT"


def test_control_endpoints_script_faults_switches_sharing_and_limits(ws: Workspace, http: httpx.Client) -> None:
    database = ws.add_database("Tasks", {"Name": "title"})
    page = database.data_source.add_page({"Name": "x"})
    http.post("/sandbox/faults", json=[{"kind": "status", "status": 500}, {"kind": "html_502"}])
    assert [me(http).status_code for _ in range(3)] == [500, 502, 200]
    assert http.post("/sandbox/faults", json={"kind": "meteor"}).status_code == 400
    http.post("/sandbox/faults", json={"kind": "html_502"})
    http.delete("/sandbox/faults")
    assert me(http).status_code == 200
    assert http.post("/sandbox/switches", json={"live_cursors": True}).json()["live_cursors"] is True
    assert http.post("/sandbox/switches", json={"nonsense": True}).status_code == 400
    http.post("/sandbox/unshare", json={"database_id": database.id})
    assert http.get(f"/v1/databases/{database.id}").status_code == 404
    http.post("/sandbox/share", json={"database_id": database.id})
    assert http.get(f"/v1/databases/{database.id}").status_code == 200
    assert [row["id"] for row in http.get(f"/sandbox/pages/{database.data_source.id}").json()] == [page.id]
    listed = http.get("/sandbox/databases").json()[0]
    assert listed["data_sources"][0]["rows"] == 1
    http.post("/sandbox/rate_limit", json={"requests": 0})
    assert me(http).status_code == 429
    http.post("/sandbox/rate_limit", content=b"null")
    assert me(http).status_code == 200


def test_sdk_retries_through_a_rate_limit(ws: Workspace) -> None:
    ws.faults.add(Fault("rate_limit", retry_after=0))
    with (
        SandboxServer(ws) as server,
        Client(auth="ntn_sandbox_token", base_url=server.url, notion_version="2026-03-11", log_level=60) as notion,
    ):
        assert notion.users.me()["type"] == "bot"
    assert [request.status for request in ws.requests] == [429, 200]


def test_latency_delays_every_answer(ws: Workspace, http: httpx.Client) -> None:
    ws.latency = 0.02
    assert me(http).elapsed.total_seconds() >= 0.02


def test_port_in_use_is_an_error_at_once(ws: Workspace) -> None:
    with SandboxServer(ws) as server, pytest.raises(OSError, match="in use"):
        SandboxServer(ws, server.port)


def test_serve_announces_its_address_once_it_answers_and_ends_quietly(ws: Workspace) -> None:
    addresses: list[str] = []

    def announce(url: str) -> None:
        assert httpx.get(url + "/sandbox/clock", timeout=PATIENCE).status_code == 200
        addresses.append(url)
        raise KeyboardInterrupt  # Ctrl-C while the address is still being told

    serve(ws, 0, announce=announce)
    (url,) = addresses
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, timeout=PATIENCE)
