from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.websockets import WebSocketDisconnect

from data.errors import InputError
from data.settings import Settings
from data.store import Store
from serving.champion import Copy
from serving.live import Live
from serving.middleware import MAX_BODY_BYTES, Guard
from serving.service import Untimed

JSON = {"content-type": "application/json"}
PROBLEM = "application/problem+json"


def refused(answer: Any, status: int) -> dict[str, Any]:
    """The problem document of an answer that must be one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["x-request-id"]
    document: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= document.keys()
    assert "Traceback" not in answer.text
    return document


def test_every_answer_carries_a_request_id(service: Any) -> None:
    paths = ("/", "/docs", "/docs.json", "/healthz", "/livez", "/readyz", "/metrics", "/v1/bins", "/v1/model", "/nope")
    ids = {service.ask("GET", path).headers["x-request-id"] for path in paths}
    assert len(ids) == len(paths)


def test_a_clients_own_request_id_comes_back(service: Any) -> None:
    assert service.ask("GET", "/v1/bins", headers={"x-request-id": "run-17"}).headers["x-request-id"] == "run-17"
    made = service.ask("GET", "/v1/bins", headers={"x-request-id": "no spaces allowed"}).headers["x-request-id"]
    assert made != "no spaces allowed"


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/forecasts", "/docs/other.js", "/docs/..%2fservice.py", "/%00"])
def test_what_is_not_served_is_a_404(service: Any, path: str) -> None:
    refused(service.ask("GET", path), 404)


@pytest.mark.parametrize(("method", "path"), [("GET", "/docs/"), ("GET", "/docs.json/"), ("POST", "/v1/readings/")])
def test_nobody_is_led_elsewhere(service: Any, method: str, path: str) -> None:
    sent = {} if method == "POST" else None
    answer = service.ask(method, path, sent, headers={"host": "evil.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert answer.json()["status"] == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "location" not in answer.headers


def test_a_wrong_method_is_a_405(service: Any) -> None:
    refused(service.ask("GET", "/v1/forecast"), 405)
    refused(service.ask("DELETE", "/v1/bins"), 405)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/bins", "/docs", "/nope"])
def test_head_is_answered_as_get_is_without_a_body(service: Any, path: str) -> None:
    asked, told = service.ask("HEAD", path), service.ask("GET", path)
    assert asked.status_code == told.status_code
    assert asked.headers["content-type"] == told.headers["content-type"]
    assert asked.content == b""


def test_head_is_not_taken_where_get_is_not(service: Any) -> None:
    assert service.ask("HEAD", "/v1/due").status_code == 405


@pytest.mark.parametrize("path", ["/v1/bins?limt=5", "/v1/bins/bin-0001?limt=5"])
def test_a_mistyped_query_parameter_is_named(service: Any, path: str) -> None:
    document = refused(service.ask("GET", path), 400)
    assert document["errors"] == [
        {"pointer": "#/limt", "detail": "is no field that is known here; /docs lists those that are"}
    ]


@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/due", "/v1/readings", "/v1/emptyings"])
def test_what_is_not_json_is_a_400(service: Any, path: str) -> None:
    for body in (b"", b"{", b"\xff\xfe", b"[1,", b"[" * 100_000, b'{"readings": ' + b"9" * 5000 + b"}", b"null", b"[]"):
        document = refused(service.client.post(path, content=body, headers=JSON), 400)
        assert document["errors"], document


@pytest.mark.parametrize(
    ("path", "body", "pointer", "detail"),
    [
        ("forecast", "", "#", "the body is empty"),
        ("readings", "", "#", "the body is empty"),
        ("forecast", "{}", "#/bin_ids", "is missing"),
        ("readings", "{}", "#/readings", "is missing"),
        ("forecast", "[]", "#", "expected an object, found a list of 0"),
        ("forecast", '{"bin_ids": []}', "#/bin_ids", "expected a list of 1 or more, found 0"),
        ("readings", '{"readings": []}', "#/readings", "expected a list of 1 or more, found 0"),
        ("forecast", '{"bin_ids": ["a"], "horizons_h": [400]}', "#/horizons_h/0", "expected at most 336, found 400"),
        ("forecast", '{"bin_ids": ["a"], "bins": 1}', "#/bins", "is no field that is known here"),
        ("due", '{"by": "2026-03-03T06:00:00"}', "#/by", "expected an offset, as in 2026-03-01T06:00:00+01:00; found"),
        ("due", '{"by": "2026-03-03T06:00:00Z", "skip": [3]}', "#/skip/0", "expected a text, found 3"),
        (
            "due",
            '{"by": "2026-03-03T06:00:00Z", "visits": [{"bin_id": 3, "at": "2026-03-03T06:00:00Z"}]}',
            "#/visits/0/bin_id",
            "expected a text, found 3",
        ),
        ("due", '{"by": "2026-03-33T06:00:00Z"}', "#/by", "expected a date and time with an offset, found"),
        (
            "due",
            '{"by": "tomorrow"}',
            "#/by",
            'expected a date and time with an offset, such as 2026-03-01T06:00:00+01:00, found "tomorrow"',
        ),
        ("due", '{"by": "2226-03-03T06:00:00Z"}', "#/by", "expected a moment between 1990 and 2200, found 2226-03-03"),
        (
            "due",
            '{"by": "2026-03-03T06:00:00Z", "limit": 10000000}',
            "#/limit",
            "expected at most 1000000, found 10000000",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_clients_words(
    service: Any, path: str, body: str, pointer: str, detail: str
) -> None:
    (error,) = refused(service.client.post(f"/v1/{path}", content=body, headers=JSON), 400)["errors"]
    assert error["pointer"] == pointer
    assert error["detail"].startswith(detail)


def test_what_is_wrong_in_an_address_is_told_in_a_clients_words(service: Any) -> None:
    service.know(a=10)
    (error,) = refused(service.ask("GET", "/v1/bins/a?days=abc"), 400)["errors"]
    assert (error["pointer"], error["detail"]) == ("#/days", 'expected a number, found "abc"')


@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/readings"])
def test_another_content_type_is_a_415(service: Any, path: str) -> None:
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/vnd.bentoml+pickle",
        "multipart/form-data",
    ):
        refused(service.client.post(path, content=b"{}", headers={"content-type": kind}), 415)
    refused(service.client.post(path, content=b"{}"), 415)
    refused(service.client.post(path, content=b"{}", headers={**JSON, "content-encoding": "gzip"}), 415)


def test_a_body_beyond_the_limit_is_a_413_with_and_without_its_length(service: Any) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    refused(service.client.post("/v1/readings", content=body, headers=JSON), 413)
    refused(service.client.post("/v1/readings", content=iter([body[:5_000_000], body[5_000_000:]]), headers=JSON), 413)


def test_without_keys_only_loopback_addresses_are_answered() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def status(address: str) -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/healthz", "headers": [], "server": (address, 3000)}
        await Guard(app, app)(scope, receive, send)
        return int(sent[0]["status"])

    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert anyio.run(status, address) == 200
    for address in ("10.0.0.5", "192.168.1.7", "0.0.0.0", "fe80::1", "2001:db8::1", "::ffff:10.0.0.5"):
        assert anyio.run(status, address) == 403


def test_a_websocket_is_closed_at_once(service: Any) -> None:
    with pytest.raises(WebSocketDisconnect) as closed, service.client.websocket_connect("/v1/bins"):
        pass
    assert closed.value.code == 1008


def test_a_defect_is_a_500_without_its_traceback(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret internals")

    monkeypatch.setattr(type(service.champion.model), "forecast", broken)
    service.know(a=10)
    for answer in (
        service.ask("POST", "/v1/forecast", {"bin_ids": ["a"]}),
        service.ask("POST", "/v1/due", {"by": "2026-03-03T06:00:00Z"}),
        service.ask("GET", "/v1/bins/a"),
    ):
        assert "secret" not in str(refused(answer, 500))


def test_a_store_that_is_down_is_a_503_and_readyz_says_so(
    served: Any, live: Callable[[Live], None], tmp_path: Path
) -> None:
    def closed() -> Store:
        raise InputError("postgresql://user:***@db is away", expected="a database", remedy="Start it.")

    live(Live(closed, Copy(Settings(home=tmp_path))))
    refused(served.get("/v1/bins"), 503)
    refused(served.post("/v1/readings", json={"readings": [{}]}), 503)
    document = refused(served.get("/readyz"), 503)
    assert document["ready"] is False
    assert document["store"]["ok"] is False
    assert served.get("/healthz").status_code == 200


def test_without_a_model_forecasts_are_503_and_readings_are_kept(
    served: Any, live: Callable[[Live], None], tmp_path: Path
) -> None:
    with Store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        live(Live(lambda: store, Copy(Settings(home=tmp_path))))
        detail = refused(served.post("/v1/forecast", json={"bin_ids": ["a"]}), 503)["detail"]
        assert "brimcast training fit" in detail
        row = {"bin_id": "a", "measured_at": "2026-03-02T11:00:00Z", "fill_pct": 40}
        assert served.post("/v1/readings", json={"readings": [row]}).json()["accepted"] == 1
        document = refused(served.get("/readyz"), 503)
        assert (document["store"]["ok"], document["model"]["ok"]) == (True, False)


def test_readyz_tells_the_model_and_the_store(service: Any) -> None:
    service.know(a=1, b=2)
    told = service.ask("GET", "/readyz").json()
    assert told == {"ready": True, "store": {"ok": True, "bins": 2},
                    "model": {"ok": True, "name": "brimcast", "version": "7"},
                    "forecasts": {"ok": True, "bins": 0}, "registry": {"ok": True},
                    "scores": {"ok": True, "scored_at": None}}  # fmt: skip


def test_the_model_card_names_the_version(service: Any) -> None:
    told = service.ask("GET", "/v1/model").json()
    assert (told["name"], told["version"], told["scores"]) == ("brimcast", "7", {"crps": 1.0})


def test_the_model_card_tells_data_method_scores_and_weaknesses(service: Any) -> None:
    card = service.champion.model.card
    scores = {"n": 900, "crps": 3.2, "mae": 4.0, "cover80": 0.81, "brier": 0.05, "auc": None, "width80": 12.0}
    card |= {
        "span": ["2025-01-01T00:00:00+00:00", "2026-02-28T23:00:00+00:00"], "method": ["It counts."], "scores": scores,
        "scores_by_horizon": [{"horizon_h": 6.0, **scores}], "baselines": {"persistence": scores},
        "skill": {"against": "persistence", "value": 0.1, "interval95": [None, None]}, "weaknesses": ["Nights."],
    }  # fmt: skip
    told = service.ask("GET", "/v1/model").json()
    assert told["scores"] == scores
    assert told["span"] == ["2025-01-01T00:00:00Z", "2026-02-28T23:00:00Z"]
    assert {name: told[name] for name in ("method", "baselines", "skill", "weaknesses")} == {
        name: card[name] for name in ("method", "baselines", "skill", "weaknesses")
    }


def test_no_request_leaves_a_timer_behind(service: Any) -> None:
    layers = [layer.cls for layer in service.client.app.user_middleware]
    assert Untimed in layers
    assert not any(layer.__name__ == "TimeoutMiddleware" for layer in layers)


def test_metrics_count_by_route_and_never_by_id(service: Any) -> None:
    service.know(secret_bin=10)
    service.ask("GET", "/v1/bins/secret-bin")
    service.ask("GET", "/some/strange/path")
    text = service.ask("GET", "/metrics").text
    assert 'brimcast_requests_total{method="GET",route="/v1/bins/{bin_id}",status="200"}' in text
    assert "secret-bin" not in text
    assert "strange" not in text
