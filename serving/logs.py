"""Log lines as JSON objects, one a line, each with the id of the request it is of; never a key or a password."""

from __future__ import annotations

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from serving.keys import PREFIX

REQUEST_ID: ContextVar[str] = ContextVar("brimcast_request_id", default="")
SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]+"), r"\1 ***"),
    (re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{20,}"), PREFIX + "***"),
    (re.compile(r"(\w://[^:/@\s]*):[^@\s]+@"), r"\1:***@"),
    (re.compile(r"(?i)\b(password|passwd|secret)=[^\s&\"']+"), r"\1=***"),
)
FIELDS = "brimcast"
"""`log.info(text, extra={FIELDS: {...}})` puts these members beside the text."""
requests = logging.getLogger("brimcast.requests")


class JsonLines(logging.Formatter):
    """Each record as one JSON object: time, level, logger, message; request_id, trace_id and error where there are."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if named := REQUEST_ID.get():  # BentoML puts a span's id into record.request_id, which no client knows
            told["request_id"] = named
        if trace_id := current_trace():
            told["trace_id"] = trace_id
        told |= getattr(record, FIELDS, {})
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return without_secrets(json.dumps(told, default=str))


def without_secrets(text: str) -> str:
    """The text with keys, tokens and passwords starred out."""
    for secret, shown in SECRETS:
        text = secret.sub(shown, text)
    return text


def current_trace() -> str:
    """The id of the OpenTelemetry trace that this is within; '' outside of one."""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def configure(level: str) -> None:
    """Let this process's log lines be JSON, ours from `level` on. Handlers that others brought (tests) stay theirs."""
    logging.getLogger("brimcast").setLevel(level.upper())
    root = logging.getLogger()
    named = [root, *(logging.getLogger(name) for name in ("bentoml", "uvicorn.error", "circus"))]
    for handler in {handler for logger in named for handler in logger.handlers}:
        if type(handler) is logging.StreamHandler:
            handler.setFormatter(JsonLines())
    for logger in named[1:]:
        logger.propagate = not logger.handlers  # else the root's handlers say each line again


def tell_request(method: str, route: str, status: int, seconds: float, request_id: str, key: str) -> None:
    """One line for a request: failed ones as errors, refused ones from `info` on, others only at `debug`."""
    level = (
        logging.ERROR
        if status == 500
        else logging.WARNING
        if status > 500
        else logging.INFO
        if status >= 400
        else logging.DEBUG
    )
    if requests.isEnabledFor(level):
        told = {"method": method, "route": route, "status": status, "seconds": round(seconds, 4),
                "request_id": request_id} | ({"key": key} if key else {})  # fmt: skip
        requests.log(level, "%s %s was answered %d", method, route, status, extra={FIELDS: told})
