from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest

from serving.answers import ProblemAnswer
from serving.messages import DueRequest, ForecastRequest


@pytest.fixture
def document(service: Any) -> dict[str, Any]:
    told: dict[str, Any] = service.ask("GET", "/docs.json").json()
    return told


def test_the_document_lists_what_the_contract_names(document: dict[str, Any]) -> None:
    assert {path: sorted(operations) for path, operations in document["paths"].items()} == {
        "/v1/readings": ["post"], "/v1/bins": ["get", "put"], "/v1/bins/{bin_id}": ["get"], "/v1/emptyings": ["post"],
        "/v1/weather": ["post"],
        "/v1/forecast": ["post"], "/v1/due": ["post"], "/v1/model": ["get"], "/v1/scorecard": ["get"],
        "/v1/adapters/ngsi-ld": ["post"], "/v1/adapters/golemio": ["post"], "/v1/adapters/ttn": ["post"],
        "/v1/adapters/chirpstack": ["post"],
        "/healthz": ["get"], "/livez": ["get"], "/readyz": ["get"], "/metrics": ["get"], "/docs.json": ["get"],
    }  # fmt: skip


def test_every_documented_operation_is_served(service: Any, document: dict[str, Any]) -> None:
    service.know(a=10)
    for path, operations in document["paths"].items():
        for method in operations:
            answer = service.ask(method.upper(), path.replace("{bin_id}", "a"), {} if method != "get" else None)
            assert answer.status_code == (200 if method == "get" else 400), (method, path, answer.text)
            assert str(answer.status_code) in operations[method]["responses"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    wanted = set(re.findall(r"#/components/schemas/([^']+)'", str(document)))
    assert wanted <= document["components"]["schemas"].keys()


def test_refusals_are_documented_as_problems(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "422" not in operation["responses"], (method, path)
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"]


def test_every_refusal_has_an_example_that_is_a_problem(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                assert status == "304" or "X-Request-ID" in answer["headers"]
                if int(status) >= 400:
                    [told] = answer["content"].values()
                    assert ProblemAnswer.model_validate(told["example"]).status == int(status)


def examples(operation: dict[str, Any]) -> list[Any]:
    """What an operation's 200 answer is shown as."""
    told = operation["responses"]["200"]["content"]["application/json"]
    return [told["example"]] if "example" in told else [form["value"] for form in told.get("examples", {}).values()]


def test_every_json_answer_has_examples_that_hold_to_its_schema(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation["responses"]["200"]["content"]
            if "application/json" not in content or path == "/docs.json":
                continue
            schema = {**content["application/json"]["schema"], "components": document["components"]}
            checked = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
            assert examples(operation), (method, path)
            for example in examples(operation):
                faults = [f"{fault.instance_path}: {fault.message}" for fault in checked.iter_errors(example)]
                assert not faults, (method, path)


def test_the_due_list_is_shown_in_every_format(document: dict[str, Any]) -> None:
    told = document["paths"]["/v1/due"]["post"]["responses"]["200"]["content"]["application/json"]["examples"]
    assert list(told) == document["components"]["schemas"]["DueRequest"]["properties"]["format"]["enum"]


def keys(told: Any, place: str = "") -> set[str]:
    """The names in an answer, with their places; a row stands for all rows."""
    if isinstance(told, list):
        return keys(told[0], f"{place}[]") if told else set()
    if not isinstance(told, dict):
        return set()
    return {f"{place}.{name}" for name in told}.union(*(keys(part, f"{place}.{name}") for name, part in told.items()))


def test_examples_name_what_answers_name(service: Any, document: dict[str, Any]) -> None:
    service.know(mid=75, low=10)
    emptied = [{"bin_id": "mid", "emptied_at": "2026-03-02T11:00:00Z"}]
    assert service.post("/v1/emptyings", {"emptyings": emptied})["accepted"] == 1
    by = {"by": "2026-03-03T06:00:00Z"}
    asked: list[tuple[str, str, str, Any]] = [
        ("get", "/v1/bins", "/v1/bins?limit=1", None), ("get", "/v1/bins/{bin_id}", "/v1/bins/mid", None),
        ("get", "/v1/scorecard", "/v1/scorecard", None),
        ("post", "/v1/forecast", "/v1/forecast", {"bin_ids": ["mid"], "horizons_h": [6]}),
        *(("post", "/v1/due", "/v1/due", by | {"format": form}) for form in ("json", "vroom", "ngsi-ld", "lwm2m")),
    ]  # fmt: skip
    for method, path, address, body in asked:
        answer = service.ask(method.upper(), address, body).json()
        shown = examples(document["paths"][path][method])
        assert any(keys(answer) <= keys(example) for example in shown), (path, body)


def test_the_examples_of_requests_are_accepted(service: Any, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, message in (("ForecastRequest", ForecastRequest), ("DueRequest", DueRequest)):
        for example in schemas[name]["examples"]:
            message.model_validate(example)
    for name, path, method in (("BinsRequest", "/v1/bins", "PUT"), ("ReadingsRequest", "/v1/readings", "POST"),
                               ("EmptyingsRequest", "/v1/emptyings", "POST"),
                               ("WeatherRequest", "/v1/weather", "POST")):  # fmt: skip
        ((key, field),) = schemas[name]["properties"].items()
        service.now[0] = service.now[0].replace(year=2027)
        answer = service.ask(method, path, {key: field["examples"][0]})
        assert answer.json()["rejected"] == []
        assert answer.json()["accepted"] == 1


def test_the_examples_can_be_sent_as_they_are_shown(service: Any) -> None:
    service.know(mid=75, low=10)
    schemas = service.ask("GET", "/docs.json").json()["components"]["schemas"]
    forecast = service.post("/v1/forecast", schemas["ForecastRequest"]["examples"][0])["forecasts"]
    assert [one["status"] for one in forecast] == ["ok", "ok"]
    assert [one["bin_id"] for one in service.post("/v1/due", schemas["DueRequest"]["examples"][0])["due"]] == ["mid"]


def test_the_pages_need_nothing_from_elsewhere(service: Any) -> None:
    for page in ("/", "/docs"):
        answer = service.ask("GET", page)
        assert answer.status_code == 200
        assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", answer.text)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        for link in re.findall(r"""(?:src|href)="(/[^"]*)""", answer.text):
            assert service.ask("GET", link).status_code == 200, link


@pytest.mark.parametrize(("limit", "status"), [(1, 200), (40.0, 200), (0, 400), (40.5, 400), ("40", 400), (True, 400)])
def test_a_limit_is_an_integer_as_json_schema_means_it(service: Any, limit: object, status: int) -> None:
    service.know(a=10)
    asked = {"by": "2026-03-03T06:00:00Z", "limit": limit}
    assert service.ask("POST", "/v1/due", asked).status_code == status


def test_every_bound_of_a_message_is_in_the_document(document: dict[str, Any]) -> None:
    """A bound that pydantic holds and JSON Schema does not know would be told under pydantic's own name."""
    assert not re.findall(r"'(ge|gt|le|lt|min_length|max_length|strict)':", str(document["components"]["schemas"]))
    assert {"minimum": 1, "maximum": 1_000_000, "type": "integer"} in document["components"]["schemas"]["DueRequest"][
        "properties"
    ]["limit"]["anyOf"]
