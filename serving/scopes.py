"""Which scope a request needs, by its method and path: what is not named here needs the strictest that fits."""

from __future__ import annotations

from serving.keys import ADMIN, INGEST, READ

OPEN = ("/", "/docs", "/docs.json", "/healthz", "/livez", "/readyz")
"""Pages without data, and probes that tell no more than yes or no to those without a key."""
OPEN_BELOW = ("/docs/",)
ASKED_BY_POST = ("/v1/forecast", "/v1/due")
TOLD = ("/v1/readings", "/v1/emptyings", "/v1/weather")
TOLD_BELOW = ("/v1/adapters/",)
SAFE = ("GET", "HEAD", "OPTIONS")


def needed(method: str, path: str) -> str | None:
    """The scope that a request needs; None where anybody may ask.

    Bins are changed by `admin` alone: a gateway that sends readings must not be able to move sensors, or to say what
    counts as full.
    """
    if method in SAFE and (path in OPEN or path.startswith(OPEN_BELOW)):
        return None
    if method in SAFE or path in ASKED_BY_POST:
        return READ
    return INGEST if path in TOLD or path.startswith(TOLD_BELOW) else ADMIN
