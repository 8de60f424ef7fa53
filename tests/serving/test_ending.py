"""Who was asked to end closes each connection that it still answers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from serving.ending import ASKED_BY
from serving.middleware import Guard


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals that the server heard: its own handlers stand, as when a worker starts."""
    told: list[int] = []
    before = {number: signal.signal(number, lambda received, frame: told.append(received)) for number in ASKED_BY}
    yield told
    for number, handler in before.items():
        signal.signal(number, handler)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers everything, badly under /wrong."""
    if scope["type"] == "http":
        status = 500 if scope["path"] == "/wrong" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


async def begin(guard: Guard) -> None:
    """As the server does before anything is answered."""
    await guard({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # not asked here


async def closes(guard: Guard, path: str) -> bool:
    """Whether an answer closes its connection."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await guard({"type": "http", "method": "GET", "path": path, "headers": [], "server": None}, receive, send)
    return (b"connection", b"close") in sent[0]["headers"]


@pytest.mark.parametrize("number", ASKED_BY)
def test_asked_to_end_it_closes_what_it_answers_and_the_server_hears_of_it(
    heard: list[int], number: signal.Signals
) -> None:
    guard = Guard(app, app)
    anyio.run(begin, guard)
    paths = ("/v1/bins", "/healthz", "/wrong")
    assert [anyio.run(closes, guard, path) for path in paths] == [False] * 3
    signal.raise_signal(number)
    assert heard == [number]
    assert [anyio.run(closes, guard, path) for path in paths] == [True] * 3


def test_in_another_thread_it_hears_nothing_and_goes_on(heard: list[int]) -> None:
    guard = Guard(app, app)
    beside = threading.Thread(target=anyio.run, args=(begin, guard))
    beside.start()
    beside.join()
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]
    assert not anyio.run(closes, guard, "/v1/bins")
