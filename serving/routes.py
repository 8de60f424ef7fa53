"""All that is served beside BentoML's native endpoints: what comes in, what is known, the pages and the probes."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from sqlalchemy.exc import SQLAlchemyError

from data.errors import BrimcastError
from serving import pages
from serving.access import Access
from serving.adapter_routes import add_adapters
from serving.answers import Alive, BinAnswer, BinsAnswer, IntakeAnswer, ModelCard, Ready
from serving.etags import ETags
from serving.fleet import fleet
from serving.intake import put_bins, take_emptyings, take_readings, take_weather
from serving.known import bin_page, bins_page
from serving.live import Live, log
from serving.messages import BinQuery, BinsQuery, BinsRequest, EmptyingsRequest, ReadingsRequest, WeatherRequest
from serving.metrics import exposition
from serving.openapi import OPERATION, Endpoint, as_served, document
from serving.problems import EXPLAINED, PROBLEM_JSON, Problem, invalid
from serving.scorecards import Scorecard, live_metrics

DOWN = "The store cannot be reached; nothing of this request was kept. Try again."


def make_routes(native: tuple[Endpoint, ...]) -> FastAPI:
    """The application that BentoML mounts; `native` endpoints are only described by it."""
    app = FastAPI(title="Brimcast", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.access = Access()  # the service puts the configured one here
    app.add_middleware(ETags)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Problem, _as_it_is)
    app.add_exception_handler(SQLAlchemyError, _down)
    app.add_exception_handler(BrimcastError, _down)
    _add_tables(app)
    add_adapters(app)
    _add_pages(app, native)
    return app


def _live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


def _add_tables(app: FastAPI) -> None:
    @app.post("/v1/readings", summary="Send readings", tags=["what is known"])
    def readings(body: ReadingsRequest, request: Request) -> IntakeAnswer:
        """Up to 10,000. Good rows are kept even when others are bad; once answered, they survive a crash.

        The same again changes nothing.
        """
        live = _live(request)
        return take_readings(live.store(), body.readings, live.now())

    @app.put("/v1/bins", summary="Send bins", tags=["what is known"])
    def bins(body: BinsRequest, request: Request) -> IntakeAnswer:
        """Up to 10,000. What was known of a bin and its device is replaced."""
        return put_bins(_live(request).store(), body.bins)

    @app.post("/v1/emptyings", summary="Send emptyings", tags=["what is known"])
    def emptyings(body: EmptyingsRequest, request: Request) -> IntakeAnswer:
        """Pick-ups that happened, up to 10,000."""
        live = _live(request)
        return take_emptyings(live.store(), body.emptyings, live.now())

    @app.post("/v1/weather", summary="Send weather", tags=["what is known"])
    def weather(body: WeatherRequest, request: Request) -> IntakeAnswer:
        """The city's, up to 10,000 hours, forecast or observed. Forecasts made from five minutes on have seen it.

        Every forecast of an hour is kept; of each, the one issued last holds. The same again changes nothing.
        """
        live = _live(request)
        return take_weather(live.store(), body.weather, live.now())

    @app.get("/v1/bins", summary="All bins", tags=["what is known"])
    def all_bins(request: Request, query: Annotated[BinsQuery, Query()]) -> BinsAnswer:
        """The bins by bin_id, `limit` at a time."""
        return bins_page(_live(request).store(), query.limit, query.after)

    @app.get("/v1/bins/{bin_id:path}", summary="One bin", tags=["what is known"])
    def one_bin(
        request: Request,
        bin_id: Annotated[str, Path(min_length=1, max_length=200)],
        query: Annotated[BinQuery, Query()],
    ) -> BinAnswer:
        """Its readings and emptyings of the last days, its forecast, and its own fill-rate profile."""
        live = _live(request)
        return bin_page(live, bin_id, query.days)

    @app.get("/v1/model", response_model_exclude_unset=True, summary="The model card", tags=["forecasts"])
    def model(request: Request) -> ModelCard:
        """What answers: the champion's name and version, data, method, scores against baselines, known weaknesses."""
        champion = _live(request).champion()
        return ModelCard(**{**champion.model.card, "name": champion.name, "version": champion.version})

    @app.get("/v1/scorecard", summary="How good the forecasts given were", tags=["forecasts"])
    def scorecard(request: Request) -> Scorecard:
        """Of forecasts already due: scores by horizon, model and role, beside the weekday rate's of the same moments.

        A share of all forecasts is recorded; those due are scored in the background, every half hour unless set.
        """
        return _live(request).scorecard()


def _add_pages(app: FastAPI, native: tuple[Endpoint, ...]) -> None:
    @app.get("/", include_in_schema=False)
    def front() -> HTMLResponse:
        return _page(pages.FRONT_HTML)

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return _page(pages.DOCS_HTML)

    @app.get("/docs/start.js", include_in_schema=False)
    def start() -> Response:
        return Response(pages.START_JS, media_type="text/javascript")

    @app.get("/docs/{name}", include_in_schema=False)
    def asset(name: str) -> FileResponse:
        if name not in pages.ASSETS:
            raise Problem(404, "No such file.")
        return FileResponse(pages.asset(name), headers={"cache-control": "max-age=86400"})

    @app.get("/docs.json", summary="This document", tags=[OPERATION], response_model=dict[str, Any])
    def openapi(request: Request) -> JSONResponse:
        live, access = _live(request), _access(request)
        known = live.some_bins(2) if access.may_read(request.scope) else []
        return JSONResponse(as_served(drawn, live.now().to_pydatetime(), known, keyed=access.required))

    @app.get("/healthz", summary="Whether the process lives", tags=[OPERATION])
    @app.get("/livez", summary="Whether the process lives", tags=[OPERATION])
    def healthz() -> Alive:
        """Asks nobody: a store that is down is no reason to end the process."""
        return Alive(status="alive")

    @app.get("/readyz", summary="Whether it can answer", tags=[OPERATION])
    def readyz(request: Request) -> Ready:
        """Whether the service can answer, and what it answers from. Without a key that may read: only whether."""
        state = _live(request).readiness()
        told = state if _access(request).may_read(request.scope) else _plain(state)
        if not state["ready"]:
            missing = next(
                part["detail"] for part in (state["store"], state["model"], state["forecasts"]) if not part["ok"]
            )
            raise Problem(503, missing if told is state else EXPLAINED[503], **told)
        return Ready(**told)

    @app.get("/metrics", summary="Prometheus' metrics", tags=[OPERATION], response_class=PlainTextResponse)
    def metrics(request: Request) -> Response:
        """All workers' counts, and the fleet in numbers."""
        live = _live(request)
        text, kind = exposition(chain(fleet(live), live_metrics(live.scorecard())))
        return Response(text, headers={"content-type": kind})

    drawn = document(app, native, _version())


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """Readiness without its details."""
    return {name: {"ok": part["ok"]} if isinstance(part, dict) else part for name, part in state.items()}


def _page(text: str) -> HTMLResponse:
    return HTMLResponse(text, headers={"content-security-policy": pages.CONTENT_POLICY})


def _version() -> str:
    try:
        return version("brimcast")
    except PackageNotFoundError:  # served from a built bento, whose folder is not installed
        return "0"


def as_problem(error: Exception) -> Problem:
    """503 for a store that fails, 500 for what is a defect of ours; both are logged."""
    if isinstance(error, (SQLAlchemyError, BrimcastError)):
        log.error("the store does not answer: %s", error)
        return Problem(503, DOWN)
    log.error("an endpoint failed", exc_info=error)
    return Problem(500, EXPLAINED[500])


async def _as_it_is(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return JSONResponse(error.body(), error.status, error.headers, PROBLEM_JSON)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _as_it_is(request, invalid(error.errors(), skip=1))


async def _down(request: Request, error: Exception) -> Response:
    return await _as_it_is(request, as_problem(error))
