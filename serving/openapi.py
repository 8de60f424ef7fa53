"""One truthful OpenAPI document of all that is served: BentoML's native endpoints and the mounted routes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from serving.answers import ProblemAnswer
from serving.examples import answers
from serving.messages import EXAMPLES
from serving.problems import PROBLEM_JSON, problem
from serving.scopes import needed

OPERATION = "operation"
ABOUT = """Forecasts when public bins reach the brim, and says which bins are due.

Times are RFC 3339 with an offset. Forecasts are *absent an emptying*. Errors are `application/problem+json`
(RFC 9457): `errors` lists each `pointer` and `detail`. Every answer carries `X-Request-ID`.

Keys: `Authorization: Bearer KEY`, each with the scopes `read`, `ingest` or `admin` (which may all). A service without
keys answers on a loopback address only."""
REFUSALS = {
    "400": ("Not JSON, or wrong content", "#/bin_ids: is missing"),
    "401": ("No key, or none that is known", "This needs a key: send Authorization: Bearer KEY."),
    "403": ("The key's scopes do not reach so far", "This needs a key with the scope ingest."),
    "404": ("Not found", "No bin is named 'b-17'; GET /v1/bins lists those that are known."),
    "413": ("The body is too large", "The body is larger than 8,388,608 bytes; send it in parts."),
    "415": ("The body is not JSON", "Expected Content-Type: application/json, found text/plain."),
    "429": ("The key asks too often; Retry-After says when to ask again", "This key asks too often."),
    "503": ("The store or the model cannot be reached; /readyz says why", "The store does not answer."),
}
KEYED = ("401", "403", "429")
BODY = ("413", "415")
KEY, PROBLEM = "key", {"$ref": "#/components/schemas/ProblemAnswer"}
HEADERS = {
    "X-Request-ID": {"description": "names this answer in the log", "schema": {"type": "string"}},
}
SECONDS = {"description": "seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}}


@dataclass(frozen=True)
class Endpoint:
    """A native endpoint: its path, what it takes and gives, and its description."""

    path: str
    request: type[BaseModel]
    answer: Any
    summary: str


def document(routes: FastAPI, endpoints: tuple[Endpoint, ...], version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of the routes and the native endpoints."""
    whole = FastAPI(title="Brimcast", version=version, description=ABOUT, openapi_url=None)
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
    examples = answers()
    for path, operations in drawn["paths"].items():
        for method, operation in operations.items():
            _tell_refusals(path, operation)
            if told := examples.get((method, path)):
                operation["responses"]["200"]["content"]["application/json"] |= told
            if method == "get" and path.startswith("/v1/"):
                operation["responses"]["304"] = {"description": "If-None-Match names this answer's ETag already"}
    drawn["paths"] = dict(sorted(drawn["paths"].items(), key=lambda entry: _place(entry[0])))
    return drawn


def as_served(drawn: dict[str, Any], now: datetime, bin_ids: list[str], *, keyed: bool) -> dict[str, Any]:
    """The document as it is true now: examples that can be sent as they are, and keys where they are asked for.

    The examples' moments lie around `now`, their bins are known.
    """
    tomorrow = (now + timedelta(days=1)).replace(hour=6, minute=0, second=0, microsecond=0)
    lively: dict[str, dict[str, Any]] = {"DueRequest": {"by": tomorrow.isoformat()}}
    if bin_ids:
        lively["ForecastRequest"] = {"bin_ids": bin_ids}
    schemas = dict(drawn["components"]["schemas"])
    for name, example in EXAMPLES.items():
        schemas[name] = {**schemas[name], "examples": [example | lively.get(name, {})]}
    told = {**drawn, "components": {**drawn["components"], "schemas": schemas}}
    return _with_keys(told) if keyed else told


def _with_keys(drawn: dict[str, Any]) -> dict[str, Any]:
    """The document of a service that asks for keys."""
    told = {**drawn, "paths": copy.deepcopy(drawn["paths"])}
    told["components"] = drawn["components"] | {
        "securitySchemes": {KEY: {"type": "http", "scheme": "bearer", "description": "a key of this service"}}
    }
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            scope = needed(method.upper(), path)
            operation["security"] = [{}, {KEY: []}] if scope is None else [{KEY: [scope]}]
            for code in KEYED if scope else ("429",):  # whoever sends a key is counted by it, everywhere
                operation["responses"][code] = _refusal(code)
            operation["responses"] = dict(sorted(operation["responses"].items()))
    return told


def _stub(endpoint: Endpoint) -> Any:
    def stub(request: Any) -> None:
        """Is never called: it only lends its signature to the document."""

    stub.__annotations__ = {"request": endpoint.request, "return": None}
    stub.__name__ = endpoint.path.rsplit("/", 1)[-1]
    return stub


def _tell_refusals(path: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    answers.pop("422", None)
    for answer in answers.values():
        answer["headers"] = HEADERS
    codes = ["503"] if path.startswith("/v1") or path == "/readyz" else []
    codes += ["404"] if "{" in path else []
    codes += ["400"] if "requestBody" in operation or operation.get("parameters") else []
    codes += BODY if "requestBody" in operation else ()
    for code in codes:
        answers[code] = _refusal(code)
    operation["responses"] = dict(sorted(answers.items()))


def _refusal(code: str) -> dict[str, Any]:
    meaning, example = REFUSALS[code]
    errors = [{"pointer": "#/bin_ids", "detail": "is missing"}] if code == "400" else []
    content: Mapping[str, Any] = {
        PROBLEM_JSON: {"schema": PROBLEM, "example": problem(int(code), example, errors)},
    }
    headers = dict(HEADERS)
    if code in ("429", "503"):
        headers["Retry-After"] = SECONDS
    if code in ("401", "403"):
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    return {"description": meaning, "headers": headers, "content": content}


def _place(path: str) -> tuple[int, str]:
    order = ("/v1/due", "/v1/forecast", "/v1/readings", "/v1/emptyings", "/v1/weather", "/v1/bins", "/v1/bins/{bin_id}",
             "/v1/model")  # fmt: skip
    return (order.index(path) if path in order else len(order), path)
