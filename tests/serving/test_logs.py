from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from serving.logs import REQUEST_ID, JsonLines, configure, tell_request, without_secrets


def line(message: str, *values: object, **more: Any) -> dict[str, Any]:
    record = logging.LogRecord("brimcast", logging.WARNING, "f.py", 1, message, values, more.pop("exc_info", None))
    for name, value in more.items():
        setattr(record, name, value)
    text = JsonLines().format(record)
    assert "\n" not in text
    told: dict[str, Any] = json.loads(text)
    return told


def test_a_line_is_one_json_object_with_its_time_and_level() -> None:
    told = line("bin %s\nis away", "b-1")
    assert told["message"] == "bin b-1\nis away"
    assert (told["level"], told["logger"]) == ("warning", "brimcast")
    assert told["time"].endswith("+00:00")
    assert "request_id" not in told


def test_a_line_within_a_request_names_it_and_not_what_bentoml_calls_it() -> None:
    mark = REQUEST_ID.set("run-17")
    try:
        assert line("x", request_id=123)["request_id"] == "run-17"
    finally:
        REQUEST_ID.reset(mark)


def test_an_error_is_told_within_the_line() -> None:
    try:
        raise ValueError("at postgresql://me:hunter2@db/x")
    except ValueError as error:
        told = line("it failed", exc_info=(type(error), error, error.__traceback__))
    assert "ValueError" in told["error"]
    assert "hunter2" not in told["error"]


@pytest.mark.parametrize(
    "text",
    ["Authorization: Bearer hunter2", "basic hunter2", "brimcast_hunter2hunter2hunter2hunter2", "password=hunter2",
     "postgresql+psycopg://me:hunter2@db:5432/x", "http://admin:hunter2@mlflow/"],
)  # fmt: skip
def test_secrets_are_starred_out(text: str) -> None:
    assert "hunter2" not in without_secrets(text)
    assert "***" in without_secrets(text)


@pytest.mark.parametrize("text", ["brimcast_requests_total", "http://mlflow:5000/x", "bin a@b", "sqlite:////data/s.db"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


def test_failed_requests_are_errors_refused_ones_are_told_others_only_when_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "brimcast")
    for status in (200, 404, 500, 503):
        tell_request("GET", "/v1/bins", status, 0.1, f"r-{status}", "gate")
    assert [(record.levelname, record.brimcast["status"]) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("INFO", 404), ("ERROR", 500), ("WARNING", 503),
    ]  # fmt: skip
    caplog.set_level(logging.DEBUG, "brimcast")
    tell_request("GET", "/v1/bins", 200, 0.1, "r", "")
    assert caplog.records[-1].levelname == "DEBUG"


def test_a_line_of_the_server_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    root, server = logging.getLogger(), logging.getLogger("uvicorn.error")
    monkeypatch.setattr(root, "handlers", [logging.StreamHandler(told)])
    monkeypatch.setattr(server, "handlers", [logging.StreamHandler(told)])  # as BentoML has it
    monkeypatch.setattr(server, "propagate", True)
    before = logging.getLogger("brimcast").level
    try:
        configure("info")
        server.error("cut off")
    finally:
        logging.getLogger("brimcast").setLevel(before)
    (said,) = told.getvalue().splitlines()
    assert json.loads(said)["message"] == "cut off"
