from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from serving.champion import Champion
from serving.lwm2m import speeds_pct_per_day
from training.inputs import read_history
from training.model import FillModel
from training.settings import ModelSettings


def due(service: Any, form: str) -> dict[str, Any]:
    answer: dict[str, Any] = service.post("/v1/due", {"by": "2026-03-03T12:00:00Z", "format": form})
    return answer


def seconds(moment: str) -> int:
    return int(pd.Timestamp(moment).timestamp())


def test_the_due_bins_are_objects_with_their_filling_speed_and_full_date(service: Any) -> None:
    service.know(mid=75, new=80, over=99)
    rates = np.array([[0.5] * 84 + [1.5] * 84, [2.0] * 168])
    service.champion.model.profiles = SimpleNamespace(bin_ids_=np.array(["mid", "over"], dtype=object), rates_=rates)
    plain, answer = due(service, "json"), due(service, "lwm2m")
    found = {one["bin_id"]: {record["n"]: record for record in one["senml"]} for one in answer["objects"]}
    assert list(found) == [bin_["bin_id"] for bin_ in plain["due"]] == ["over", "new", "mid"]
    assert (found["mid"]["8"]["v"], found["over"]["8"]["v"]) == (24.0, 48.0)
    assert "8" not in found["new"], "the model has no profile of it"
    for bin_ in plain["due"]:
        record = found[bin_["bin_id"]]["10"]
        assert record == {"bn": "/3435/0/", "bt": seconds(bin_["as_of"]), "n": "10", "v": record["v"]}
        assert (record["v"], type(record["v"])) == (seconds(bin_["full_at"]["p50"]), int)
    assert (answer["left_out"], answer["skipped"]) == (plain["left_out"], plain["skipped"])


def test_a_full_date_beyond_reach_is_left_out(service: Any) -> None:
    service.know(mid=75)
    request = {"by": "2026-03-16T12:00:00Z", "full_pct": 100, "risk": 0.01, "format": "lwm2m"}
    before = service.champion.model.forecast

    def slow(*asked: Any) -> Any:
        forecast = before(*asked)
        levels = np.where(forecast.levels > 0.9, 101.0, 50.0)
        object.__setattr__(forecast, "values", np.broadcast_to(levels, forecast.values.shape))
        return forecast

    service.champion.model.forecast = slow
    [one] = service.post("/v1/due", request)["objects"]
    assert one == {"bin_id": "mid", "senml": []}


def test_a_model_without_profiles_tells_no_speed(service: Any) -> None:
    assert np.isnan(speeds_pct_per_day(service.champion, ["a", "b"])).all()
    assert speeds_pct_per_day(service.champion, []).shape == (0,)


def test_a_fitted_models_speeds_are_close_to_the_true_ones(small_city_folder: Path) -> None:
    files = [str(small_city_folder / name) for name in ("readings.parquet", "bins.csv")]
    history = read_history(*files).history
    settings = ModelSettings(examples=2_000, networks=1, trees=5, leaf_examples=20, threads=1)
    model = FillModel.fit(history, until=history.readings.frame["measured_at"].max(), settings=settings)
    levels = pd.read_parquet(small_city_folder / "truth" / "levels.parquet")
    true = 24 * levels.groupby("bin_id")["rate_pct_per_h"].mean()
    found = speeds_pct_per_day(Champion(model, "m", "1"), true.index.tolist())
    assert np.median(np.abs(found / true.to_numpy() - 1)) < 0.2
