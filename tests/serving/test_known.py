from __future__ import annotations

from typing import Any

import pandas as pd


def test_a_bins_emptyings_are_those_reported_and_those_its_readings_show(service: Any) -> None:
    service.know(a=8)
    hours = [*range(30, 5, -1)]
    levels = [min(90.0, 70 + 2 * step) if step < 15 else 2.0 + step - 15 for step in range(len(hours))]
    at = [service.now[0] - pd.Timedelta(hours=hour) for hour in hours]
    rows = [
        {"bin_id": "a", "measured_at": moment.isoformat(), "received_at": moment.isoformat(), "fill_pct": fill}
        for moment, fill in zip(at, levels, strict=True)
    ]
    assert service.post("/v1/readings", {"readings": rows})["accepted"] == len(rows)
    told = service.ask("GET", "/v1/bins/a?days=3").json()
    assert [row["source"] for row in told["emptyings"]] == ["detected"]
    assert at[14] <= pd.Timestamp(told["emptyings"][0]["emptied_at"]) <= at[15]
    assert told["emptyings"][0]["fill_before_pct"] > 80
    assert len(told["readings"]) == len(rows) + 1
    service.post("/v1/emptyings", {"emptyings": [{"bin_id": "a", "emptied_at": at[15].isoformat()}]})
    told = service.ask("GET", "/v1/bins/a?days=3").json()
    assert [row["source"] for row in told["emptyings"]] == ["reported"]
    assert service.ask("GET", "/v1/bins/a?days=0.5").json()["emptyings"] == []


def test_the_forecast_on_a_bins_page_is_that_of_a_forecast_request(service: Any) -> None:
    service.know(a=40)
    page = service.ask("GET", "/v1/bins/a").json()
    told = service.post("/v1/forecast", {"bin_ids": ["a"], "horizons_h": [6, 24]})
    assert page["as_of"] == told["as_of"]
    points = {point["horizon_h"]: point for point in page["forecast"]["points"]}
    assert [points[6.0], points[24.0]] == told["forecasts"][0]["points"]
    assert page["forecast"]["full_at"] == told["forecasts"][0]["full_at"]


def test_bins_are_listed_in_pages_those_only_heard_of_too(service: Any) -> None:
    at = service.now[0].isoformat()
    heard = [{"bin_id": name, "measured_at": at, "fill_pct": 1} for name in ("d", "B", "é")]
    assert service.post("/v1/readings", {"readings": heard})["accepted"] == 3
    service.know(a=1, c=2)
    seen, after = [], ""
    while True:
        page = service.ask("GET", f"/v1/bins?limit=2&after={after}").json()
        seen.append([row["bin_id"] for row in page["bins"]])
        if page["next_after"] is None:
            break
        after = page["next_after"]
    assert seen == [["B", "a"], ["c", "d"], ["é"]]
    assert page["bins"][0]["timezone"] == "UTC"
