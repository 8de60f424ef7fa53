"""What is counted, in Prometheus' words and units; labels are route templates and reasons, never ids.

Declared when the module loads, as prometheus_client wants it: it adds them up over the workers of one service. What is
known of the bins is no count: each worker keeps all of it, and `serving.fleet` tells it when asked.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

ROUTES = ("/v1/readings", "/v1/bins", "/v1/emptyings", "/v1/weather", "/v1/forecast", "/v1/due", "/v1/model",
          "/v1/scorecard",
          "/v1/adapters/ngsi-ld", "/v1/adapters/golemio", "/v1/adapters/ttn", "/v1/adapters/chirpstack", "/docs",
          "/docs.json", "/healthz", "/livez", "/readyz", "/metrics", "/")  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS = Counter("brimcast_requests", "Requests answered", ["route", "method", "status"])
DURATION = Histogram("brimcast_request_duration_seconds", "Time to answer", ["route"], buckets=SECONDS)
ROWS = Counter("brimcast_rows", "Rows sent in, by table and what became of them", ["table", "outcome"])
REJECTED = Counter("brimcast_rows_rejected", "Rows set aside, by table and reason", ["table", "reason"])
RECORDED = Counter(
    "brimcast_forecasts_recorded", "Forecasts of bins that were drawn to be scored later, by outcome", ["outcome"]
)
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


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count one request."""
    REQUESTS.labels(route, method, str(status)).inc()
    DURATION.labels(route).observe(seconds)


def count_rows(table: str, accepted: int, unchanged: int, rejected: Iterable[str]) -> None:
    """Count the rows of one request; `rejected` tells the reason of each row set aside."""
    reasons = Tally(rejected)
    for outcome, rows in (("accepted", accepted), ("unchanged", unchanged), ("rejected", reasons.total())):
        ROWS.labels(table, outcome).inc(rows)
    for reason, rows in reasons.items():
        REJECTED.labels(table, reason).inc(rows)


class _Told(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = list(found)

    def collect(self) -> list[Metric]:
        return self._found


def exposition(more: Iterable[Metric] = ()) -> tuple[bytes, str]:
    """All metrics as text, and its content type: those counted, by all workers of the service, and `more`."""
    told = CollectorRegistry()
    told.register(_Told(more))
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY) + generate_latest(told), CONTENT_TYPE_LATEST
    MultiProcessCollector(told)
    return generate_latest(told), CONTENT_TYPE_LATEST
