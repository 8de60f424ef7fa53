"""ETag and If-None-Match on what is got: an answer that the client has already is 304, without its body (RFC 9110)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX = "/v1/"
KEPT = (b"etag", b"cache-control", b"vary")
"""What a 304 repeats of the answer's headers."""


class ETags:
    """Wraps the routes: every 200 of a GET under /v1 is tagged by its content."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; an answer that is not such a 200 goes through as it comes."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body: list[bytes] = []

        async def hold(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body.append(message.get("body", b""))
                if not message.get("more_body"):
                    await _answer(start, b"".join(body), asked(scope), send)

        await self.app(scope, receive, hold)


async def _answer(start: Message, body: bytes, known: list[str], send: Send) -> None:
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = [*start.get("headers", []), (b"etag", tag.encode()), (b"cache-control", b"no-cache")]
    if "*" in known or tag in known:
        headers = [(name, value) for name, value in headers if name.lower() in KEPT]
        start, body = {**start, "status": 304}, b""
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def asked(scope: Scope) -> list[str]:
    """The tags of If-None-Match, compared weakly: a W/ before one is of no matter."""
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"if-none-match"]
    return [tag.strip().removeprefix("W/") for tag in ",".join(lines).split(",") if tag.strip()]
