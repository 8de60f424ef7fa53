"""Counters of what is answered, in Prometheus' text; labels are route templates, never ids."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.registry import REGISTRY

ROUTES = ("/v1/readings", "/v1/bins", "/v1/emptyings", "/v1/forecast", "/v1/due", "/v1/model", "/v1/adapters/ngsi-ld",
          "/v1/adapters/golemio", "/v1/adapters/ttn", "/v1/adapters/chirpstack", "/docs", "/docs.json",
          "/healthz", "/livez", "/readyz", "/metrics", "/")  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# Declared when the module loads, as prometheus_client wants it: it adds them up over the workers of one service.
REQUESTS = Counter("brimcast_requests", "Requests answered", ["route", "method", "status"])
DURATION = Histogram("brimcast_request_seconds", "Time to answer", ["route"], buckets=SECONDS)
ROWS = Counter("brimcast_rows", "Rows sent in, by table and what became of them", ["table", "outcome"])
REFUSED = Counter("brimcast_models_refused", "Champions that could not be answered with: the one before goes on")
REGISTRY_ERRORS = Counter("brimcast_registry_errors", "Times that the registry was asked for the champion in vain")
REGISTRY_UP = Gauge(
    "brimcast_registry_up", "1 if the registry answered when asked last, else 0", multiprocess_mode="mostrecent"
)


def template(path: str) -> str:
    """The route a path belongs to; 'other' for what is not served."""
    if path in ROUTES:
        return path
    if path.startswith("/v1/bins/"):
        return "/v1/bins/{bin_id}"
    return "/docs/assets" if path.startswith("/docs/") else "other"


def count_request(scope: Mapping[str, Any], status: int, seconds: float) -> None:
    """Count one request."""
    route = template(scope["path"])
    method = scope["method"] if scope["method"] in METHODS else "other"
    REQUESTS.labels(route, method, str(status)).inc()
    DURATION.labels(route).observe(seconds)


def count_rows(table: str, accepted: int, unchanged: int, rejected: int) -> None:
    """Count the rows of one request."""
    for outcome, rows in (("accepted", accepted), ("unchanged", unchanged), ("rejected", rejected)):
        ROWS.labels(table, outcome).inc(rows)


def exposition() -> tuple[bytes, str]:
    """All metrics as text, and its content type; over all workers where there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST
