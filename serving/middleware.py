"""The one ASGI layer over everything served: access, request ids, limits, problem+json, logs and metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from starlette.middleware.cors import CORSMiddleware

from serving.access import Access
from serving.asgi import App, Receive, Scope, Send, header, request_id
from serving.bodies import MAX_BODY_BYTES, check_json, replay, whole_body
from serving.ending import Ending
from serving.keys import Key
from serving.logs import REQUEST_ID, tell_request
from serving.metrics import METHODS, count_request, template
from serving.problems import EXPLAINED, Problem, converted
from serving.reply import Reply

BODY_WITHIN_S, ANSWERED_WITHIN_S, LOOK_S = 20, 30, 0.25
"""Seconds; BentoML's own timeout is off (`serving.service.Untimed`)."""
SYSTEM_PATHS = ("/livez", "/healthz", "/readyz", "/metrics")
STORELESS = ("/", "/livez", "/healthz", "/metrics", "/docs", "/v1/model")
TELLING = "/readyz"
"""Says itself what does not answer, where it can."""
SILENT = "The store does not answer; what was sent may not have been kept. Send it again."
CROSSING = {
    "allow_methods": ["GET", "POST", "PUT"],
    "allow_headers": ["authorization", "content-type", "if-none-match", "x-request-id"],
    "expose_headers": ["etag", "retry-after", "x-request-id"],
}
POLICY_VIOLATION = 1008
log = logging.getLogger("brimcast")


class Guard:
    """Wraps BentoML's application; `routes` answers the system paths, which BentoML would answer emptily itself.

    `access` says who is let in, `methods` what a path takes. `down`: whether the store is silent. Then no request goes
    to it, and those that did are answered 503: their threads wait on, until the database goes on or its connections
    break.
    """

    def __init__(
        self,
        app: App,
        routes: App,
        max_body_bytes: int = MAX_BODY_BYTES,
        down: Callable[[], bool] = lambda: False,
        access: Callable[[], Access] = Access,
        methods: Callable[[Scope], list[str]] = lambda scope: [],
    ) -> None:
        self.app, self.routes, self.max_body_bytes, self.down = app, routes, max_body_bytes, down
        self._access, self._methods = access, methods
        self._ending = Ending()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every answer carries X-Request-ID, every error is a problem document."""
        if scope["type"] == "lifespan":
            self._ending.heed()
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # none are served, and none shall come in beside the keys
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        asked_from = header(scope, b"origin")
        if not asked_from or not (allowed := self._access().origins):
            await self._answer(scope, receive, send)
            return
        crossing = CORSMiddleware(self._answer, allow_origins=allowed, **CROSSING)  # type: ignore[arg-type]  # of mixed types
        if scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            reply = Reply(send, request_id(scope), self._ending)
            await crossing(scope, receive, reply.send)
            await reply.finish()
        else:
            await crossing(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = Reply(send, request_id(scope), self._ending)
        REQUEST_ID.set(reply.request_id)
        started, key = time.perf_counter(), None
        try:
            key = self._access().admit(scope)
            check_method(scope, self._methods(scope))
            async with within(BODY_WITHIN_S, Problem(400, f"The body did not come within {BODY_WITHIN_S} seconds.")):
                body = await whole_body(scope, receive, self.max_body_bytes)
            check_json(scope, body)
            app = self.routes if scope["path"] in SYSTEM_PATHS else self.app
            # Answered as a GET; the server leaves the body out.
            asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
            await self._in_time(scope["path"], app(asked, replay(body, receive), reply.send))
            await reply.finish()
        except Problem as found:
            await reply.problem(found.body(), found.headers)
        except Exception:
            log.exception("request %s failed: %s %s", reply.request_id, scope["method"], template(scope["path"]))
            await reply.problem(converted(500, b""))
        finally:
            reply.over = True
            _account(scope, reply, time.perf_counter() - started, key)

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


def check_method(scope: Scope, taken: list[str]) -> None:
    """Whether a path takes this method, of those it takes (none: nobody knows). Raises Problem 405."""
    if taken and scope["method"] not in taken:
        raise Problem(405, EXPLAINED[405], headers={"Allow": ", ".join(taken)})


def _account(scope: Scope, reply: Reply, seconds: float, key: Key | None) -> None:
    """Count the request, and tell the log of it."""
    route = template(scope["path"])
    method = scope["method"] if scope["method"] in METHODS else "other"
    count_request(route, method, reply.status, seconds)
    tell_request(method, route, reply.status, seconds, reply.request_id, key.name if key else "")


@asynccontextmanager
async def within(seconds: float, late: Problem) -> AsyncIterator[None]:
    """Raise `late` where the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise late from error
