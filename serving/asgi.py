"""The shapes of ASGI, and what is read off a request before any framework sees it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def header(scope: Scope, name: bytes) -> str:
    """A request header's value, or ''."""
    return next((v.decode("latin-1") for k, v in scope["headers"] if k == name), "")


def request_id(scope: Scope) -> str:
    """The client's own X-Request-ID where it is a plain word, else a new one."""
    given = header(scope, b"x-request-id")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
