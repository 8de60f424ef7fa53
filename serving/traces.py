"""OpenTelemetry traces, where an endpoint for them is configured: every request, and what it took its time for.

All is set by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER, ...). The packages come with the extra `otel`.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

from data.errors import InputError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE = "brimcast"


def export_traces() -> Any:
    """Let BentoML's spans, one a request, and ours within them go to the configured endpoint; None where there is none.

    Before BentoML makes its application. Raises InputError where the packages are missing.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise InputError(
            f"{ENDPOINTS[0]} is set, and {error.name} is not installed",
            expected="the packages that export traces",
            remedy="Install them with: pip install 'brimcast[otel]'",
        ) from error
    from bentoml._internal.configuration.containers import BentoMLContainer
    from opentelemetry import trace
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: SERVICE}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    BentoMLContainer.tracer_provider.set(provider)
    return provider


def span(name: str, **facts: int | str) -> AbstractContextManager[Any]:
    """A part of a request, timed where traces are exported; `facts` are its attributes."""
    from opentelemetry import trace

    return trace.get_tracer(SERVICE).start_as_current_span(name, attributes=dict(facts))
