"""Which addresses and names are answered, with and without keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from data.settings import Settings
from serving import keys
from serving.access import Access, host_of
from serving.middleware import Guard


def status_of(guard: Guard, server: str, headers: dict[str, str], path: str = "/healthz") -> int:
    """What a request gets that reached this address."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": raw, "server": (server, 3000)}
    anyio.run(guard, scope, receive, send)
    return int(sent[0]["status"])


async def yes(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def test_with_keys_any_address_is_answered(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    token, _ = keys.create(settings, "one", ["read"])
    guard, found = Guard(yes, yes, access=lambda: found), Access.of(settings)
    assert status_of(guard, "10.0.0.5", {}, "/v1/bins") == 401
    assert status_of(guard, "10.0.0.5", {"authorization": f"Bearer {token}"}, "/v1/bins") == 200
    assert status_of(guard, "10.0.0.5", {"host": "brimcast.city.example"}) == 200


def test_without_keys_a_name_of_elsewhere_that_leads_here_is_refused() -> None:
    guard = Guard(yes, yes)
    for host in ("localhost", "localhost:3000", "127.0.0.1:3000", "[::1]:3000", "LOCALHOST", "app.localhost"):
        assert status_of(guard, "127.0.0.1", {"host": host}) == 200, host
    for host in ("evil.example", "evil.example:3000", "10.0.0.5", "localhost.evil.example", "[2001:db8::1]"):
        assert status_of(guard, "127.0.0.1", {"host": host}) == 403, host


def test_a_host_is_read_without_its_port() -> None:
    assert [host_of(text) for text in ("a.example:80", "[::1]:3000", "[::1]", "B", "")] == [
        "a.example", "::1", "::1", "b", "",
    ]  # fmt: skip


def test_keys_that_cannot_be_read_at_the_start_stop_it(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("gate ingest\n")
    with pytest.raises(Exception, match="Line 2"):
        Access.of(Settings(home=tmp_path))
