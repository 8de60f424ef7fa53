"""One truthful OpenAPI document of all that is served: BentoML's native endpoints and the mounted routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from serving.answers import ProblemAnswer
from serving.messages import EXAMPLES
from serving.problems import PROBLEM_JSON

ABOUT = """Forecasts when public bins reach the brim, and says which bins are due.

Times are RFC 3339 with an offset. Forecasts are *absent an emptying*. Errors are `application/problem+json`
(RFC 9457): `errors` lists each `pointer` and `detail`. Every answer carries `X-Request-ID`."""
REFUSALS = {
    "400": "Not JSON, or wrong content",
    "404": "Not found",
    "413": "The body is too large",
    "415": "The body is not JSON",
    "503": "The store or the model cannot be reached; /readyz says why",
}
BODY = ("413", "415")


@dataclass(frozen=True)
class Endpoint:
    """A native endpoint: its path, what it takes and gives, and its description."""

    path: str
    request: type[BaseModel]
    answer: Any
    summary: str


def document(routes: FastAPI, endpoints: tuple[Endpoint, ...], version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of the routes and the native endpoints."""
    whole = FastAPI(title="Brimcast", version=version, description=ABOUT)
    whole.router.routes = list(routes.router.routes)
    for endpoint in endpoints:
        whole.add_api_route(
            endpoint.path,
            _stub(endpoint),
            methods=["POST"],
            response_model=endpoint.answer,
            summary=endpoint.summary,
            description=(endpoint.request.__doc__ or "").strip(),
            tags=["forecasts"],
        )
    drawn = whole.openapi()
    schemas = drawn.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["ProblemAnswer"] = ProblemAnswer.model_json_schema()
    for path, operations in drawn["paths"].items():
        for method, operation in operations.items():
            _tell_refusals(path, operation)
            if method == "get":
                operation["responses"]["304"] = {"description": "If-None-Match names this answer's ETag already"}
    drawn["paths"] = dict(sorted(drawn["paths"].items(), key=lambda entry: _place(entry[0])))
    return drawn


def with_examples(drawn: dict[str, Any], now: datetime, bin_ids: list[str]) -> dict[str, Any]:
    """The document with examples that can be sent as they are: moments around `now`, bins that are known."""
    tomorrow = (now + timedelta(days=1)).replace(hour=6, minute=0, second=0, microsecond=0)
    lively: dict[str, dict[str, Any]] = {"DueRequest": {"by": tomorrow.isoformat()}}
    if bin_ids:
        lively["ForecastRequest"] = {"bin_ids": bin_ids}
    schemas = dict(drawn["components"]["schemas"])
    for name, example in EXAMPLES.items():
        schemas[name] = {**schemas[name], "examples": [example | lively.get(name, {})]}
    return {**drawn, "components": {**drawn["components"], "schemas": schemas}}


def _stub(endpoint: Endpoint) -> Any:
    def stub(request: Any) -> None:
        """Is never called: it only lends its signature to the document."""

    stub.__annotations__ = {"request": endpoint.request, "return": None}
    stub.__name__ = endpoint.path.rsplit("/", 1)[-1]
    return stub


def _tell_refusals(path: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    answers.pop("422", None)
    codes = ["503"] if path.startswith("/v1") or path == "/readyz" else []
    codes += ["404"] if "{" in path else []
    codes += ["400"] if "requestBody" in operation or operation.get("parameters") else []
    codes += BODY if "requestBody" in operation else ()
    content: Mapping[str, Any] = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}
    for code in sorted(codes):
        answers[code] = {"description": REFUSALS[code], "content": content}


def _place(path: str) -> tuple[int, str]:
    order = ("/v1/due", "/v1/forecast", "/v1/readings", "/v1/emptyings", "/v1/bins", "/v1/bins/{bin_id}", "/v1/model")
    return (order.index(path) if path in order else len(order), path)
