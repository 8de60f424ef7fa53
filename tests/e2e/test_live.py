"""A service on PostgreSQL has its forecasts scored by itself, and asks a challenger that may be broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from data.given import CHAMPION, Given
from data.store import Store
from serving.champion import Champion
from tests.e2e.conftest import City, Postgres, client, settings_of, until
from training.registry import CHALLENGER, NAME, last_copy
from training.tracking import set_alias

pytestmark = pytest.mark.slow
SCORED_WITHIN_S = 240.0


def scores(asking: httpx.Client) -> dict[str, Any]:
    told: dict[str, Any] = asking.get("/readyz").json()["scores"]
    return told


def test_forecasts_are_scored_beside_a_service_and_a_broken_challenger_disturbs_nobody(
    city: City, home: Path, postgres: Postgres, served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(home, store=postgres.url)
    now = pd.Timestamp.now("UTC").as_unit("us")
    with Store(f"sqlite:///{home / 'store.db'}") as old, Store(settings.store) as store:
        history = old.history()
        store.put(history.readings, None, history.bins)
        copied = last_copy(settings=settings)
        assert copied is not None
        champion = Champion.load(copied[0])
        ids = sorted(store.versions())
        rows = [(b, now - pd.Timedelta(hours=h), a) for b in ids for h in range(30, 90, 6) for a in (6, 24)]
        windows = pd.DataFrame(rows, columns=["bin_id", "as_of", "h"]).astype({"as_of": "datetime64[us, UTC]"})
        windows["at"] = windows["as_of"] + pd.to_timedelta(windows.pop("h"), unit="h")
        made = champion.model.forecast_windows(history, windows)
        full = np.full(len(made), 95.0)
        store.put_given(Given.of(made, full, CHAMPION, champion.name, champion.version, now))
    set_alias(NAME, CHALLENGER, city.broken, settings)
    for name, value in (("SCORE_EVERY_S", "2"), ("SHADOW", "true"), ("RECORD_SHARE", "1")):
        monkeypatch.setenv(f"BRIMCAST_{name}", value)
    with served(settings) as server, client(server) as asking:
        until(lambda: asking.get("/v1/scorecard").json()["scored"], SCORED_WITHIN_S, "nothing is scored")
        card = asking.get("/v1/scorecard").json()
        assert card["against"] == "weekday-rate"
        assert card["overall"]["baseline"]["n"] == card["overall"]["n"] == card["scored"]
        assert scores(asking)["ok"] is False
        assert "refused" in scores(asking)["detail"]
        body = {"bin_ids": ids[:3]}
        assert {f["status"] for f in asking.post("/v1/forecast", json=body).json()["forecasts"]} <= {"ok", "stale"}
        assert "brimcast_live_crps" in asking.get("/metrics").text
        set_alias(NAME, CHALLENGER, city.good, settings)
        until(lambda: scores(asking)["ok"], SCORED_WITHIN_S, "the challenger is not asked")
        assert scores(asking)["challenger"] == str(city.good)
