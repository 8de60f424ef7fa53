from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from serving.metrics import exposition


def scraped(text: str) -> dict[str, list[Sample]]:
    """Samples by name."""
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def value(text: str, name: str, /, **labels: str) -> float:
    """The value of the one sample with these labels; 0 where there is none."""
    chosen = [sample.value for sample in scraped(text).get(name, []) if labels.items() <= sample.labels.items()]
    return sum(chosen)


@pytest.fixture
def text(service: Any) -> Any:
    return lambda: service.ask("GET", "/metrics").text


def test_names_end_as_prometheus_asks(service: Any, text: Any) -> None:
    service.know(a=40)
    service.post("/v1/forecast", {"bin_ids": ["a"]})
    for family in text_string_to_metric_families(text()):
        if not family.name.startswith("brimcast_"):
            continue
        assert family.documentation
        if family.type == "counter" and family.samples:
            assert {s.name.removesuffix("_created").removesuffix("_total") for s in family.samples} == {family.name}
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_rows_are_counted_by_what_became_of_them_and_rejected_ones_by_reason(service: Any, text: Any) -> None:
    service.know(a=40)
    before = text()
    rows = [
        {"bin_id": "a", "measured_at": "2026-03-02T11:55:00Z", "fill_pct": 41},
        {"bin_id": "a", "measured_at": "2026-03-02T11:56:00Z", "fill_pct": 900},
        {"bin_id": "a", "measured_at": "soon", "fill_pct": 41},
        {"bin_id": "a", "measured_at": "later", "fill_pct": 41},
    ]
    rejected = service.post("/v1/readings", {"readings": rows})["rejected"]
    assert len(rejected) == 3
    after = text()

    def rise(name: str, **labels: str) -> float:
        return value(after, name, table="readings", **labels) - value(before, name, table="readings", **labels)

    assert rise("brimcast_rows_total", outcome="accepted") == 1
    assert rise("brimcast_rows_total", outcome="rejected") == 3
    assert rise("brimcast_rows_rejected_total", reason="impossible_fill") == 1
    assert rise("brimcast_rows_rejected_total", reason="unparsable_time") == 2


def test_requests_are_counted_and_timed(service: Any, text: Any) -> None:
    before = text()
    service.ask("GET", "/v1/bins")
    service.ask("GET", "/v1/bins?limit=0")
    after = text()
    for status in ("200", "400"):
        labels = {"route": "/v1/bins", "method": "GET", "status": status}
        assert (
            value(after, "brimcast_requests_total", **labels) - value(before, "brimcast_requests_total", **labels) == 1
        )
    count = "brimcast_request_duration_seconds_count"
    assert value(after, count, route="/v1/bins") - value(before, count, route="/v1/bins") == 2


def test_the_fleet_is_told_in_numbers(service: Any, text: Any) -> None:
    service.know(low=10, mid=75, full=99, faulty_1=50)
    service.now[0] += pd.Timedelta(minutes=50)
    service.post("/v1/readings", {"readings": [
        {"bin_id": "low", "measured_at": service.now[0].isoformat(), "fill_pct": 11}]})  # fmt: skip
    service.post("/v1/due", {"by": "2026-03-03T12:00:00Z"})
    told = text()
    assert value(told, "brimcast_bins", status="ok") == 3
    assert value(told, "brimcast_bins", status="faulty_sensor") == 1
    assert value(told, "brimcast_bins", status="stale") == 0
    assert value(told, "brimcast_bins_due_24h") == 2, "the faulty one may be full, and nobody can say"
    assert value(told, "brimcast_newest_reading_age_seconds", quantile="0.5") == 3600
    assert value(told, "brimcast_newest_reading_age_seconds", quantile="1") == 3600
    assert value(told, "brimcast_model_info", name="brimcast", version="7") == 1
    trained = pd.Timestamp("2026-03-01T00:00:00Z").timestamp()
    assert value(told, "brimcast_model_trained_until_timestamp_seconds") == trained
    assert value(told, "brimcast_store_up") == 1
    service.now[0] += pd.Timedelta(seconds=90)
    assert value(text(), "brimcast_forecast_age_seconds") == 90


def test_before_anything_is_known_the_metrics_answer_all_the_same(service: Any, text: Any) -> None:
    told = scraped(text())
    assert "brimcast_store_up" in told
    assert "brimcast_bins" not in told


def test_counts_are_added_up_over_the_workers_of_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    code = "from serving.metrics import count_rows; count_rows('readings', 3, 0, ['repeat'])"
    root = Path(__file__).resolve().parent.parent.parent
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
    told, _ = exposition()
    assert value(told.decode(), "brimcast_rows_total", outcome="accepted") == 6
    assert value(told.decode(), "brimcast_rows_rejected_total", reason="repeat") == 2
