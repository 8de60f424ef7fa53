"""The BentoML service: native endpoints for forecasts and due lists, the mounted routes, one guard over both.

bentoml serve serving.service:Brimcast --host 127.0.0.1
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "true")  # must stand before BentoML is imported

import bentoml
from bentoml._internal.server.http import traffic
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from data.settings import read_settings
from serving.access import Access
from serving.answers import DueAnswer, ForecastAnswer, VroomAnswer
from serving.asgi import App, Receive, Scope, Send
from serving.due import due
from serving.forecasts import check_size, forecasts
from serving.live import Live
from serving.logs import configure as configure_logs
from serving.lwm2m import Lwm2mAnswer, lwm2m
from serving.messages import DueRequest, ForecastRequest
from serving.middleware import Guard
from serving.ngsi_ld import NgsiLdAnswer, ngsi_ld
from serving.openapi import Endpoint
from serving.parent import Parent
from serving.problems import PROBLEM_JSON, Problem
from serving.routes import as_problem, make_routes
from serving.served import Served
from serving.traces import export_traces
from serving.vroom import vroom
from serving.watch import Watch

NATIVE = (
    Endpoint(
        "/v1/due",
        DueRequest,
        DueAnswer | VroomAnswer | NgsiLdAnswer | Lwm2mAnswer,
        "The bins due, most urgent first",
    ),
    Endpoint("/v1/forecast", ForecastRequest, ForecastAnswer, "How full bins will be, and when they are full"),
)
routes = make_routes(NATIVE)
served = Served(routes, NATIVE)


class Untimed:
    """In place of BentoML's TimeoutMiddleware, which keeps a timer, and with it all of a request, for a minute.

    A thousand requests a second made the garbage collector stop the worker for half a second. `Guard` limits the time.
    """

    def __init__(self, app: App, timeout: float) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await self.app(scope, receive, send)


traffic.TimeoutMiddleware = Untimed


def store_is_down() -> bool:
    """Whether the store is known not to answer."""
    live: Live | None = getattr(routes.state, "live", None)
    return live is not None and live.is_down()


def answer(work: Callable[[Live], BaseModel]) -> Any:
    """What `work` answers as JSON, or the problem it meets: BentoML would word that its own way."""
    try:
        return Response(work(routes.state.live).model_dump_json(), media_type="application/json")
    except Exception as error:
        found = error if isinstance(error, Problem) else as_problem(error)
        return JSONResponse(found.body(), found.status, found.headers, PROBLEM_JSON)


export_traces()


@bentoml.service(
    name="brimcast",
    threads=4,
    traffic={"timeout": 60},
    metrics={"enabled": False},  # BentoML's label the raw path; ours are serving/metrics.py
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(routes, path="/")
class Brimcast:
    """Forecasts when public bins reach the brim."""

    def __init__(self) -> None:
        # It logs every wrong request with its traceback; what fails in our endpoints, `as_problem` logs.
        logging.getLogger("bentoml._internal.server.http_app").setLevel(logging.CRITICAL)
        self.parent = Parent()
        self.settings = settings = read_settings()
        configure_logs(settings.log_level)
        routes.state.access = Access.of(settings)
        routes.state.live = Live.of(settings)

    @bentoml.on_startup  # type: ignore[untyped-decorator]  # BentoML's types are skipped, see pyproject.toml
    def settle(self) -> None:
        """Load what the first request would wait for, then keep the garbage collector away from it."""
        if bentoml.server_context.worker_index is not None:  # not where somebody serves the application by himself
            self.parent.begin()
        routes.state.live.warm()
        gc.collect()
        gc.freeze()
        routes.state.live.keep_fresh()
        self.watch = Watch(self.settings)
        self.watch.begin()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def end(self) -> None:
        """Leave the state as it is: nothing of it is needed again."""
        self.parent.end()
        routes.state.live.end()
        self.watch.end()

    @bentoml.api(route="/v1/forecast")  # type: ignore[untyped-decorator]
    def forecast(self, request: ForecastRequest, /) -> dict[str, Any]:
        """How full these bins will be, and when they are full, if nobody empties them first."""

        def told(live: Live) -> ForecastAnswer:
            check_size(request)
            now = live.now()
            with live.room(request.bin_ids):
                return forecasts(live.outlook(request.bin_ids, request.as_of, now), request, now)

        return answer(told)

    @bentoml.api(route="/v1/due")  # type: ignore[untyped-decorator]
    def due(self, request: DueRequest, /) -> dict[str, Any]:
        """Which bins must be emptied, most urgent first."""

        def listed(live: Live) -> DueAnswer | VroomAnswer | NgsiLdAnswer | Lwm2mAnswer:
            now = live.now()
            with live.room(request.bin_ids):
                outlook = live.outlook(request.bin_ids, request.as_of, now)
                found = due(outlook, request, now)
            match request.format:
                case "vroom":
                    return vroom(found, request.by)
                case "ngsi-ld":
                    return ngsi_ld(found)
                case "lwm2m":
                    return lwm2m(found, outlook.champion)
            return found

        return answer(listed)


def guarded(app: App) -> Guard:
    """The one layer over BentoML's application."""
    return Guard(app, routes, methods=served.methods, down=store_is_down, access=lambda: routes.state.access)


Brimcast.add_asgi_middleware(guarded)  # type: ignore[attr-defined]  # it is a Service now
