"""The service inside the test's process, on an own store, a steady model and a clock that tests may set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from data.history import History
from data.store import Store
from serving.champion import Champion
from serving.live import Live
from training.forecast import FillForecast

NOW = pd.Timestamp("2026-03-02T12:00:00Z").as_unit("us")
LEVELS = np.array([0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0])


class SteadyModel:
    """Every bin fills by half a point to one and a half an hour; silent after a day; bins named faulty-... are."""

    HISTORY_DAYS = 35
    reads_weather = False

    def __init__(self) -> None:
        self.card: dict[str, Any] = {"trained_until": "2026-03-01T00:00:00+00:00", "scores": {"crps": 1.0}}

    def forecast(self, history: History, as_of: pd.Timestamp, bin_ids: Sequence[str] | None = None) -> FillForecast:
        facts = history.bins.unique
        ids = pd.Index(list(bin_ids) if bin_ids is not None else sorted(facts.index), dtype="str")
        frame = history.readings.frame
        last = frame[frame["received_at"] <= as_of].groupby("bin_id").tail(1).set_index("bin_id")
        fill = last["fill_pct"].reindex(ids).to_numpy(dtype=float)
        moment = np.datetime64(as_of.tz_convert("UTC").tz_localize(None), "us")
        seen = pd.DatetimeIndex(last["measured_at"].reindex(ids)).tz_localize(None).to_numpy().astype("datetime64[us]")
        hours = np.array([0, 1, 6, 12, 24, 48, 96, 168, 336.0])
        values = fill[:, None, None] + hours[None, :, None] * (0.5 + LEVELS[None, None, :])
        status = np.where(moment - seen > np.timedelta64(24, "h"), "stale", "ok").astype(object)
        status[ids.str.startswith("faulty")] = "faulty_sensor"
        status[np.isnan(fill)] = "no_data"
        status[~ids.isin(facts.index)] = "unknown_bin"
        return FillForecast(
            bin_ids=ids.to_numpy(dtype=object), as_of=np.full(len(ids), moment), horizons_h=hours, levels=LEVELS,
            values=values, left_alone=values, status=status,
            reasons=tuple(() if s == "ok" else (f"it is {s}",) for s in status),
            last_reading_at=seen, fill_now_pct=fill,
            full_pct=facts["full_pct"].reindex(ids).fillna(95.0).to_numpy(dtype=float), step_pct=np.zeros(len(ids)),
            model_version="7",
        )  # fmt: skip


class FixedCopy:
    """A champion that needs no registry."""

    def __init__(self, model: Any) -> None:
        self._champion = Champion(model, "brimcast", "7")

    def champion(self) -> Champion:
        return self._champion

    def state(self) -> dict[str, Any]:
        return {"ok": True, "name": "brimcast", "version": "7"}

    def registry(self) -> dict[str, Any]:
        return {"ok": True}


@dataclass
class Service:
    """A client of the service, and the parts it answers from."""

    client: TestClient
    store: Store
    champion: Champion
    copy: Any
    now: list[pd.Timestamp] = field(default_factory=lambda: [NOW])

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The whole answer."""
        return self.client.request(method, path, json=body, **more)

    def post(self, path: str, body: Any) -> Any:
        """The content of an answer that must be 200."""
        answer = self.ask("POST", path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def know(self, **fills: float) -> None:
        """Bins with one reading each, ten minutes ago; an underscore in the name stands for a hyphen."""
        names = {name.replace("_", "-"): fill for name, fill in fills.items()}
        told = [
            {"bin_id": name, "timezone": "Europe/Prague", "latitude": 50.0, "longitude": 14.0, "capacity_l": 1000}
            for name in names
        ]
        assert self.ask("PUT", "/v1/bins", {"bins": told}).json()["rejected"] == []
        at = (self.now[0] - pd.Timedelta(minutes=10)).isoformat()
        rows = [{"bin_id": name, "measured_at": at, "fill_pct": fill} for name, fill in names.items()]
        assert self.post("/v1/readings", {"readings": rows})["accepted"] == len(rows)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """BentoML's application, made once: a second one in a process would count the same metrics twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRIMCAST_HOME", str(tmp_path_factory.mktemp("service")))
        patch.setenv("BRIMCAST_REGISTRY_EVERY_S", "0")
        patch.setenv("BRIMCAST_SCORE_EVERY_S", "0")
        from serving.service import Brimcast

        with TestClient(Brimcast.to_asgi()) as client:
            yield client


@pytest.fixture
def live(served: TestClient) -> Iterator[Callable[[Live], None]]:
    """Puts another Live under the service for one test."""
    from serving.service import routes

    before = routes.state.live

    def put(other: Live) -> None:
        routes.state.live = other

    yield put
    routes.state.live = before


@pytest.fixture
def service(served: TestClient, live: Callable[[Live], None], tmp_path: Path) -> Iterator[Service]:
    """The service on an empty store."""
    with Store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        copy = FixedCopy(SteadyModel())
        answering = Service(served, store, copy.champion(), copy)
        live(Live(lambda: store, copy, lambda: answering.now[0]))  # type: ignore[arg-type]  # a stand-in
        yield answering
