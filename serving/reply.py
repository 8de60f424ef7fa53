"""What goes back: with a request id and the headers that every answer has, errors as problem documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from serving.asgi import Message, Send
from serving.ending import Ending
from serving.problems import PROBLEM_JSON, converted

Headers = list[tuple[bytes, bytes]]
AGAIN = (b"retry-after", b"2")
"""Seconds after which it is worth asking again: a database that restarts takes about as long."""
DROPPED = (b"x-bentoml-request-id", b"server", b"x-request-id")
TOLD_ON = (b"allow", b"retry-after", b"www-authenticate")
REDIRECTS = (301, 302, 303, 307, 308)
"""None is ours: BentoML's router leads /docs/ to /docs, of whatever host the client names."""
EVERY = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
CLOSE = (b"connection", b"close")
HTML = (
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
"""Beside the page's own content-security-policy. That only TLS is spoken is the proxy's to promise."""


class Reply:
    """One answer. Errors that frameworks word their own way are held until whole, then sent as problems."""

    def __init__(self, send: Send, request_id: str, ending: Ending) -> None:
        self._send, self.request_id, self.status, self.over = send, request_id, 0, False
        self._ending = ending
        self._held: list[bytes] | None = None
        self._headers: Headers = []

    async def send(self, message: Message) -> None:
        """Pass a message of the application on, or hold it; what comes when all is over (it was late) is dropped."""
        if self.over:
            return
        if message["type"] == "http.response.start":
            self.status = 404 if message["status"] in REDIRECTS else message["status"]
            headers = [(k, v) for k, v in message.get("headers", []) if k.lower() not in DROPPED]
            if self.status >= 400 and not _is(headers, PROBLEM_JSON):
                self._held, self._headers = [], headers
                return
            if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
                headers.append(AGAIN)
            await self._send({**message, "headers": self._whole(headers)})
        elif message["type"] == "http.response.body" and self._held is not None:
            self._held.append(message.get("body", b""))
        else:
            await self._send(message)

    async def finish(self) -> None:
        """Send the error that was held, if any."""
        if self._held is not None:
            body, self._held = b"".join(self._held), None
            await self._problem(
                converted(self.status, body), [(k, v) for k, v in self._headers if k.lower() in TOLD_ON]
            )

    async def problem(self, document: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        """Send a problem, unless an answer has begun already."""
        if self.status and self._held is None:
            return
        self._held = None
        await self._problem(document, [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()])

    async def _problem(self, document: dict[str, Any], headers: Headers) -> None:
        self.status = document["status"]
        body = json.dumps(document).encode()
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE and not any(k == AGAIN[0] for k, _ in headers):
            headers = [*headers, AGAIN]
        headers = [
            *headers,
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await self._send({"type": "http.response.start", "status": self.status, "headers": self._whole(headers)})
        await self._send({"type": "http.response.body", "body": body})

    def _whole(self, headers: Headers) -> Headers:
        more = (*EVERY, *HTML) if _is(headers, "text/html") else EVERY
        if self._ending.begun:
            more = (*more, CLOSE)
        return [*headers, *more, (b"x-request-id", self.request_id.encode())]


def _is(headers: Headers, kind: str) -> bool:
    return any(k.lower() == b"content-type" and v.startswith(kind.encode()) for k, v in headers)
