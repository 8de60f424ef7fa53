from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from serving.etags import asked


@pytest.mark.parametrize("path", ["/v1/bins", "/v1/bins?limit=1", "/v1/bins/a", "/v1/model"])
def test_what_the_client_has_already_is_a_304_without_a_body(service: Any, path: str) -> None:
    service.know(a=10, b=20)
    first = service.ask("GET", path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = service.ask("GET", path, headers={"if-none-match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["x-request-id"]
        assert "content-length" not in again.headers or again.headers["content-length"] == "0"


def test_another_tag_is_answered_whole(service: Any) -> None:
    service.know(a=10)
    answer = service.ask("GET", "/v1/bins/a", headers={"if-none-match": '"other"'})
    assert answer.status_code == 200
    assert answer.json()["bin"]["bin_id"] == "a"


def test_a_reading_and_a_bin_that_change_the_answer_change_its_tag(service: Any) -> None:
    service.know(a=10)
    one, all_ = (service.ask("GET", path).headers["etag"] for path in ("/v1/bins/a", "/v1/bins"))
    row = {"bin_id": "a", "measured_at": (service.now[0] - pd.Timedelta(minutes=1)).isoformat(), "fill_pct": 11}
    service.post("/v1/readings", {"readings": [row]})
    assert service.ask("GET", "/v1/bins/a", headers={"if-none-match": one}).status_code == 200
    assert service.ask("GET", "/v1/bins", headers={"if-none-match": all_}).status_code == 304
    service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": "c", "timezone": "UTC"}]})
    assert service.ask("GET", "/v1/bins", headers={"if-none-match": all_}).status_code == 200


def test_errors_and_answers_to_posts_carry_no_tag(service: Any) -> None:
    service.know(a=10)
    assert "etag" not in service.ask("GET", "/v1/bins/nope", headers={"if-none-match": "*"}).headers
    assert service.ask("GET", "/v1/bins/nope", headers={"if-none-match": "*"}).status_code == 404
    assert "etag" not in service.ask("POST", "/v1/forecast", {"bin_ids": ["a"]}).headers


def test_tags_are_read_from_every_line() -> None:
    headers = [(b"if-none-match", b'"a", W/"b"'), (b"accept", b"*/*"), (b"if-none-match", b'"c"')]
    assert asked({"headers": headers}) == ['"a"', '"b"', '"c"']
