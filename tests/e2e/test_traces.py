"""A request's trace reaches the configured endpoint: its own span, and within it what took its time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import City, client, settings_of, until

pytestmark = pytest.mark.slow


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """An OTLP endpoint, and the spans it was sent."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans: list[Any] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ExportTraceServiceRequest()
            sent.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
            for resource in sent.resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Takes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()


def test_a_forecast_is_traced_where_an_endpoint_is_configured(
    collector: tuple[str, list[Any]],
    city: City,
    home: Path,
    served: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint, spans = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    with served(settings_of(home)) as server, client(server) as asking:
        mine = "4bf92f3577b34da6a3ce929d0e0e4736"
        asked = {"bin_ids": ["bin-0001"], "as_of": "2026-11-01T00:00:00Z"}
        headers = {"traceparent": f"00-{mine}-00f067aa0ba902b7-01"}
        assert asking.post("/v1/forecast", json=asked, headers=headers).status_code == 200

        def named() -> set[str]:
            return {span.name for span in list(spans) if span.trace_id.hex() == mine}

        until(lambda: {"outlook", "readings", "forecast"} <= named(), 15, "the spans did not arrive")
        assert any("/v1/forecast" in name for name in named())
