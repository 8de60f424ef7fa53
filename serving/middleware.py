"""The one ASGI layer over everything served: request ids, limits, problem+json, the loopback rule and metrics."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from serving.metrics import count_request
from serving.problems import PROBLEM_JSON, Problem, converted

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

BODY_WITHIN_S, ANSWERED_WITHIN_S, LOOK_S = 20, 30, 0.25
"""Seconds; BentoML's own timeout is off (`serving.service.Untimed`)."""
MAX_BODY_BYTES = 8 * 1024 * 1024
BODY_METHODS = ("POST", "PUT", "PATCH")
SYSTEM_PATHS = ("/livez", "/healthz", "/readyz", "/metrics")
STORELESS = ("/", "/livez", "/healthz", "/metrics", "/docs", "/v1/model")
TELLING = "/readyz"
"""Says itself what does not answer, where it can."""
SILENT = "The store does not answer; what was sent may not have been kept. Send it again."
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
log = logging.getLogger("brimcast")


class Guard:
    """Wraps BentoML's application; `routes` answers the system paths, which BentoML would answer emptily itself.

    `down`: whether the store is silent. Then no request goes to it, and those that did are answered 503: their threads
    wait on, until the database goes on or its connections break.
    """

    def __init__(
        self,
        app: App,
        routes: App,
        max_body_bytes: int = MAX_BODY_BYTES,
        down: Callable[[], bool] = lambda: False,
    ) -> None:
        self.app, self.routes, self.max_body_bytes, self.down = app, routes, max_body_bytes, down

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every answer carries X-Request-ID, every error is a problem document."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = Answer(send, request_id(scope))
        started = time.perf_counter()
        try:
            check_address(scope)
            async with within(BODY_WITHIN_S, Problem(400, f"The body did not come within {BODY_WITHIN_S} seconds.")):
                body = await whole_body(scope, receive, self.max_body_bytes)
            check_content_type(scope, body)
            app = self.routes if scope["path"] in SYSTEM_PATHS else self.app
            await self._in_time(scope["path"], app(scope, replay(body, receive), answer.send))
            await answer.finish()
        except Problem as found:
            await answer.problem(found.body())
        except Exception:
            log.exception("request %s failed: %s %s", answer.request_id, scope["method"], scope["path"])
            await answer.problem(converted(500, b""))
        finally:
            answer.over = True
            count_request(scope, answer.status, time.perf_counter() - started)

    async def _in_time(self, path: str, work: Coroutine[Any, Any, None]) -> None:
        """Let the application answer, as long as the store does. Raises Problem 503."""
        answering = asyncio.ensure_future(work)
        try:
            for looked in range(1 + int(ANSWERED_WITHIN_S / LOOK_S)):
                if self.down() and path not in STORELESS and (looked or path != TELLING):
                    raise Problem(503, SILENT)
                done, _ = await asyncio.wait({answering}, timeout=LOOK_S)
                if done:
                    await answering
                    return
            raise Problem(503, "The service is too busy to answer now; ask again.")
        finally:
            answering.cancel()


@asynccontextmanager
async def within(seconds: float, late: Problem) -> AsyncIterator[None]:
    """Raise `late` where the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise late from error


class Answer:
    """What goes back. Errors that frameworks word their own way are held until whole, then sent as problems."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self.request_id, self.status, self.over = send, request_id, 0, False
        self._held: list[bytes] | None = None
        self._headers: list[tuple[bytes, bytes]] = []

    async def send(self, message: Message) -> None:
        """Pass a message of the application on, or hold it; what comes when all is over (it was late) is dropped."""
        if self.over:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [(k, v) for k, v in message.get("headers", []) if k.lower() not in DROPPED]
            if self.status >= 400 and not _is_problem(headers):
                self._held, self._headers = [], headers
                return
            if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
                headers.append(AGAIN)
            await self._send({**message, "headers": [*headers, (b"x-request-id", self.request_id.encode())]})
        elif message["type"] == "http.response.body" and self._held is not None:
            self._held.append(message.get("body", b""))
        else:
            await self._send(message)

    async def finish(self) -> None:
        """Send the error that was held, if any."""
        if self._held is not None:
            body, self._held = b"".join(self._held), None
            allow = [(k, v) for k, v in self._headers if k.lower() in (b"allow", b"retry-after", b"www-authenticate")]
            await self._problem(converted(self.status, body), allow)

    async def problem(self, document: dict[str, Any]) -> None:
        """Send a problem, unless an answer has begun already."""
        if self.status and self._held is None:
            return
        self._held = None
        await self._problem(document, [])

    async def _problem(self, document: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> None:
        self.status = document["status"]
        body = json.dumps(document).encode()
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE and not any(k.lower() == AGAIN[0] for k, _ in headers):
            headers = [*headers, AGAIN]
        headers = [
            *headers,
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", self.request_id.encode()),
        ]
        await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


AGAIN = (b"retry-after", b"2")
"""Seconds after which it is worth asking again: a database that restarts takes about as long."""
DROPPED = (b"x-bentoml-request-id", b"server", b"x-request-id")


def _is_problem(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(k.lower() == b"content-type" and v.startswith(PROBLEM_JSON.encode()) for k, v in headers)


def header(scope: Scope, name: bytes) -> str:
    """A request header's value, or ''."""
    return next((v.decode("latin-1") for k, v in scope["headers"] if k == name), "")


def request_id(scope: Scope) -> str:
    """The client's own X-Request-ID where it is a plain word, else a new one."""
    given = header(scope, b"x-request-id")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def check_address(scope: Scope) -> None:
    """Without keys, only what reached us on a loopback address is answered. Raises Problem 403."""
    server = scope.get("server")
    try:
        address = ipaddress.ip_address(server[0]) if server else None
    except ValueError:  # no socket address: a Unix socket, or a test inside the process
        return
    if address is not None and not is_loopback(address):
        raise Problem(403, "Without keys this service answers only on a loopback address such as 127.0.0.1.")


def is_loopback(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether only this machine can reach the address."""
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


async def whole_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The request's body. Raises Problem 413 once it is longer than `limit` bytes."""
    too_large = Problem(413, f"The body is larger than {limit:,} bytes; send it in parts.")
    declared = header(scope, b"content-length")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "The body ended early.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise too_large
        if not message.get("more_body"):
            return b"".join(parts)


def check_content_type(scope: Scope, body: bytes) -> None:
    """Bodies are plain JSON. Raises Problem 415."""
    if scope["method"] not in BODY_METHODS:
        return
    if header(scope, b"content-encoding").lower() not in ("", "identity"):
        raise Problem(415, "Compressed bodies are not read; send the JSON as it is.")
    kind = header(scope, b"content-type").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem(415, f"Expected Content-Type: application/json, found {kind[:100] or 'none'}.")


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read already, then what comes after it."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
