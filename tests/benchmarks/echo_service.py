"""The service with one more endpoint that only gives a forecast's message back: what HTTP, JSON and checks cost."""

from __future__ import annotations

from typing import Any

import bentoml
from starlette.responses import Response

from serving.messages import ForecastRequest
from serving.middleware import Guard
from serving.service import Brimcast, routes  # before bentoml: it sets what must stand before that is imported


@bentoml.service(
    name="brimcast",
    threads=4,
    traffic={"timeout": 60},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(routes, path="/")
class Echoing(Brimcast.inner):  # type: ignore[misc, name-defined]  # the class that BentoML made a Service of
    """Brimcast, and an echo."""

    @bentoml.api(route="/v1/echo")  # type: ignore[untyped-decorator]
    def echo(self, request: ForecastRequest, /) -> dict[str, Any]:
        """The same message, checked as a forecast's and written as an answer's."""
        return Response(request.model_dump_json(), media_type="application/json")  # type: ignore[return-value]


Echoing.add_asgi_middleware(Guard, routes=routes)
