"""A request's body: read whole, within limits, before any framework sees it."""

from __future__ import annotations

from serving.asgi import Message, Receive, Scope, header
from serving.problems import Problem

MAX_BODY_BYTES = 8 * 1024 * 1024
METHODS = ("POST", "PUT", "PATCH")
EMPTY = "the body is empty; expected a JSON object"


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


def check_json(scope: Scope, body: bytes) -> None:
    """Bodies are plain JSON, and there is one. Raises Problem 415 and 400."""
    if scope["method"] not in METHODS:
        return
    if header(scope, b"content-encoding").lower() not in ("", "identity"):
        raise Problem(415, "Compressed bodies are not read; send the JSON as it is.")
    kind = header(scope, b"content-type").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem(415, f"Expected Content-Type: application/json, found {kind[:100] or 'none'}.")
    if not body.strip():  # BentoML would take it for {}
        raise Problem(400, EMPTY, [{"pointer": "#", "detail": EMPTY}])


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
