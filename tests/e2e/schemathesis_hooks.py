"""What an OpenAPI document cannot say: moments near the service's clock, so that schemathesis asks for what is there.

Moments that are moments are moved into reach, whatever is wrong stays wrong. Used by test_schemathesis.py, and by the
longer command in serving/README.md (SCHEMATHESIS_HOOKS).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import schemathesis

MOMENTS = {"by": 240, "at": 240, "as_of": -240}
"""Within so many hours from now, or before it."""


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Move the moments of a request for forecasts near now: further than 14 days away they are rightly refused."""
    if case.operation.path in ("/v1/forecast", "/v1/due") and isinstance(case.body, dict):
        body = near(case.body)
        if "by" in body:
            body.pop("as_of", None)
        case.body = body


def near(body: dict[str, Any]) -> dict[str, Any]:
    """The body with its moments near now."""
    moved = {name: _moved(name, value) for name, value in body.items()}
    if isinstance(moved.get("visits"), list):
        moved["visits"] = [near(visit) if isinstance(visit, dict) else visit for visit in moved["visits"]]
    return moved


def _moved(name: str, value: Any) -> Any:
    reach = MOMENTS.get(name)
    if reach is None or not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    if moment.tzinfo is None:
        return value
    hours = 1 + (moment.minute * 60 + moment.second) % (abs(reach) - 1)
    return (datetime.now(UTC) + timedelta(hours=hours if reach > 0 else -hours)).isoformat()
