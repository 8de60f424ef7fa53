"""Who is let in, over HTTP: the service with keys."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from data.settings import Settings
from serving import access as access_module
from serving import keys
from serving.access import Access, Keyring
from serving.logs import JsonLines
from serving.rates import Rates
from serving.scopes import needed

READING = {"readings": [{"bin_id": "a", "measured_at": "2026-03-02T11:00:00Z", "fill_pct": 40}]}
ASKS: list[tuple[str, str, Any, str]] = [
    ("GET", "/v1/bins", None, "read"),
    ("GET", "/v1/bins/a", None, "read"),
    ("GET", "/v1/model", None, "read"),
    ("GET", "/v1/scorecard", None, "read"),
    ("GET", "/metrics", None, "read"),
    ("POST", "/v1/forecast", {"bin_ids": ["a"]}, "read"),
    ("POST", "/v1/due", {"by": "2026-03-03T06:00:00Z"}, "read"),
    ("POST", "/v1/readings", READING, "ingest"),
    (
        "POST",
        "/v1/weather",
        {"weather": [{"at": "2026-03-02T11:00:00Z", "issued_at": "2026-03-02T09:00:00Z", "temperature_c": 4.5}]},
        "ingest",
    ),
    ("POST", "/v1/emptyings", {"emptyings": [{"bin_id": "a", "emptied_at": "2026-03-02T11:30:00Z"}]}, "ingest"),
    ("PUT", "/v1/bins", {"bins": [{"bin_id": "a", "timezone": "UTC"}]}, "admin"),
]


@dataclass
class Keyed:
    """The service with a key of each scope."""

    service: Any
    settings: Settings
    tokens: dict[str, str]

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str) -> Any:
        given = headers | ({"authorization": f"Bearer {token}"} if token else {})
        return self.service.client.request(method, path, json=body, headers=given)


def put_access(found: Access) -> Access:
    """Put this under the service; returns what was there."""
    from serving.service import routes

    before: Access = routes.state.access
    routes.state.access = found
    return before


@pytest.fixture
def keyed(service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyed]:
    monkeypatch.setattr(access_module, "LOOK_AGAIN_S", -1.0)
    service.know(a=40)
    settings = Settings(home=tmp_path)
    tokens = {scope: keys.create(settings, scope, [scope])[0] for scope in keys.SCOPES}
    before = put_access(Access.of(settings))
    yield Keyed(service, settings, tokens)
    put_access(before)


def refused(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.parametrize(("method", "path", "body", "scope"), ASKS)
def test_every_route_asks_for_a_key_of_its_scope(keyed: Keyed, method: str, path: str, body: Any, scope: str) -> None:
    without = keyed.ask(method, path, body)
    assert "Bearer" in refused(without, 401)["detail"]
    assert without.headers["www-authenticate"].startswith("Bearer")
    refused(keyed.ask(method, path, body, token="brimcast_" + "x" * 43), 401)
    for name, token in keyed.tokens.items():
        answer = keyed.ask(method, path, body, token=token)
        if name in (scope, "admin"):
            assert answer.status_code == 200, answer.text
        else:
            assert scope in refused(answer, 403)["detail"]
            assert "insufficient_scope" in answer.headers["www-authenticate"]


def test_every_documented_operation_asks_for_a_key_or_is_open_by_name(keyed: Keyed) -> None:
    document = keyed.ask("GET", "/docs.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scope = needed(method.upper(), path)
            status = keyed.ask(method.upper(), path.replace("{bin_id}", "a"), {}).status_code
            assert (status == 401) == (scope is not None), (method, path, status)
            assert operation["security"] == ([{}, {"key": []}] if scope is None else [{"key": [scope]}])
            assert ("401" in operation["responses"]) == (scope is not None)


def test_what_is_served_nowhere_needs_a_key_too(keyed: Keyed) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in ("/nope", "/v1/bins/../../etc", "/v1//bins", "/V1/bins", "/metrics/", "//v1/bins", "/v1/bins/"):
            assert keyed.ask(method, path).status_code == 401, (method, path)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {} x", "Bearer x{}", "Token {}"])
def test_an_authorization_that_is_no_key_is_a_401(keyed: Keyed, header: str) -> None:
    given = {"authorization": header.format(keyed.tokens["admin"])}
    refused(keyed.service.client.get("/v1/bins", headers=given), 401)


def test_a_digest_is_no_key(keyed: Keyed) -> None:
    for key in keys.configured_keys(keyed.settings).keys:
        refused(keyed.ask("GET", "/v1/bins", token=key.sha256), 401)


def test_without_a_key_pages_and_probes_tell_nothing_of_the_bins(keyed: Keyed) -> None:
    for path in ("/", "/docs", "/docs.json", "/healthz", "/livez", "/readyz"):
        answer = keyed.ask("GET", path)
        assert answer.status_code == 200, path
        assert '"a"' not in answer.text
    assert keyed.ask("GET", "/readyz").json() == {
        "ready": True, "store": {"ok": True}, "model": {"ok": True}, "forecasts": {"ok": True},
        "registry": {"ok": True}, "scores": {"ok": True},
    }  # fmt: skip
    assert keyed.ask("GET", "/readyz", token=keyed.tokens["read"]).json()["store"] == {"ok": True, "bins": 1}
    assert '"a"' in keyed.ask("GET", "/docs.json", token=keyed.tokens["read"]).text


def test_a_key_is_made_and_revoked_without_a_restart(keyed: Keyed) -> None:
    token, _ = keys.create(keyed.settings, "late", ["read"])
    assert keyed.ask("GET", "/v1/bins", token=token).status_code == 200
    keys.revoke(keyed.settings, "late")
    refused(keyed.ask("GET", "/v1/bins", token=token), 401)


def test_when_the_keys_are_gone_nobody_is_let_in(keyed: Keyed) -> None:
    keys.keys_file(keyed.settings).unlink()
    refused(keyed.ask("GET", "/v1/bins"), 401)
    refused(keyed.ask("GET", "/v1/bins", token=keyed.tokens["admin"]), 401)


def test_keys_that_cannot_be_read_any_more_leave_the_last_ones(keyed: Keyed, caplog: pytest.LogCaptureFixture) -> None:
    keys.keys_file(keyed.settings).write_text("nonsense\n")
    assert keyed.ask("GET", "/v1/bins", token=keyed.tokens["read"]).status_code == 200
    assert "the keys are as before" in caplog.text


def test_a_service_without_keys_has_them_as_soon_as_one_is_made(
    service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "LOOK_AGAIN_S", -1.0)
    settings = Settings(home=tmp_path)
    before = put_access(Access.of(settings))
    try:
        assert service.ask("GET", "/v1/bins").status_code == 200
        token, _ = keys.create(settings, "first", ["read"])
        assert service.ask("GET", "/v1/bins").status_code == 401
        assert service.ask("GET", "/v1/bins", headers={"authorization": f"bearer {token}"}).status_code == 200
    finally:
        put_access(before)


def test_a_key_that_asks_too_often_is_told_when_to_ask_again(keyed: Keyed) -> None:
    now = [0.0]
    put_access(Access(Keyring(keyed.settings), Rates(6.0, lambda: now[0])))  # one in ten seconds, none saved up
    assert keyed.ask("GET", "/v1/bins", token=keyed.tokens["read"]).status_code == 200
    late = keyed.ask("GET", "/v1/bins", token=keyed.tokens["read"])
    refused(late, 429)
    assert late.headers["retry-after"] == "10"
    assert keyed.ask("GET", "/v1/bins", token=keyed.tokens["admin"]).status_code == 200, "each key has its own"
    now[0] = 9.0
    refused(keyed.ask("GET", "/v1/bins", token=keyed.tokens["read"]), 429)
    now[0] = 10.1
    assert keyed.ask("GET", "/v1/bins", token=keyed.tokens["read"]).status_code == 200


def test_a_quiet_key_may_ask_ten_seconds_worth_at_once_and_no_more() -> None:
    now = [0.0]
    rates = Rates(600.0, lambda: now[0])
    assert [rates.wait_s("k") for _ in range(100)] == [0.0] * 100
    assert rates.wait_s("k") == pytest.approx(0.1)
    now[0] = 1e6
    assert sum(rates.wait_s("k") == 0.0 for _ in range(200)) == 100


def test_no_log_line_carries_a_key(keyed: Keyed) -> None:
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("brimcast")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    token = keyed.tokens["read"]
    try:
        for method, path, body, _ in ASKS:
            keyed.ask(method, path, body, token=token)
        keyed.ask("GET", f"/v1/bins/{token}", token=token)
        keyed.ask("GET", f"/{token}?key={token}", token=token)
        logger.error("Authorization: Bearer %s, and postgresql://me:hunter2@db/x", token)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert len(lines) > len(ASKS)
    assert token not in told.getvalue()
    assert "hunter2" not in told.getvalue()
    assert {line["key"] for line in lines if "key" in line} == {"read"}


def test_no_answer_carries_a_path_an_address_or_sql(keyed: Keyed) -> None:
    for method, path, body, _ in [*ASKS, ("GET", "/readyz", None, ""), ("POST", "/v1/due", {"by": "x"}, "")]:
        text = keyed.ask(method, path, body, token=keyed.tokens["admin"]).text
        assert not re.search(r"(?i)\bselect\b|sqlite|postgres|traceback|/tmp/|/home/|\.py\b", text), (path, text[:500])
        assert str(keyed.settings.home) not in text


def test_html_comes_with_headers_that_keep_it_to_itself(keyed: Keyed) -> None:
    for path in ("/", "/docs"):
        headers = keyed.ask("GET", path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
    for path in ("/", "/docs.json", "/v1/bins", "/nope"):
        assert keyed.ask("GET", path).headers["x-content-type-options"] == "nosniff"


ORIGIN, FOREIGN = "https://board.city.example", "https://elsewhere.example"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}


def test_pages_from_elsewhere_may_not_ask_unless_configured(keyed: Keyed) -> None:
    answer = keyed.ask("GET", "/v1/bins", token=keyed.tokens["read"], origin=ORIGIN)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    answer = keyed.service.client.options("/v1/due", headers={"origin": ORIGIN, **PREFLIGHT})
    assert answer.status_code == 401
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_pages_of_configured_origins_may_ask_with_a_key_and_others_may_not(keyed: Keyed) -> None:
    put_access(Access.of(keyed.settings.model_copy(update={"cors_origins": f"{ORIGIN}, https://other.example"})))
    asked = keyed.service.client.options("/v1/due", headers={"origin": ORIGIN, **PREFLIGHT})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert asked.headers["x-request-id"]
    answer = keyed.ask("GET", "/v1/bins", token=keyed.tokens["read"], origin=ORIGIN)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    without = keyed.ask("GET", "/v1/bins", origin=ORIGIN)
    assert (refused(without, 401)["status"], without.headers["access-control-allow-origin"]) == (401, ORIGIN)
    refused(keyed.service.client.options("/v1/due", headers={"origin": FOREIGN, **PREFLIGHT}), 400)
    answer = keyed.ask("GET", "/v1/bins", token=keyed.tokens["read"], origin=FOREIGN)
    assert "access-control-allow-origin" not in answer.headers


def test_an_origin_with_a_path_is_no_setting() -> None:
    for wrong in ("*", "board.city.example", "https://a.example/board", "https://a.example, ftp://b.example"):
        with pytest.raises(ValueError, match="origins"):
            Settings(cors_origins=wrong)
