"""Some of what is forecast is recorded, once a bin and hour, whatever becomes of the store; answers never notice."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.given import Given
from data.store import Store, StoreError
from serving import recorder as recorder_module
from serving.live import Live
from serving.metrics import RECORDED
from serving.outlook import Outlook, read_outlook
from serving.recorder import HORIZONS_H, ROOM, Recorder, drawn, lots
from tests.serving.conftest import NOW

LATE = NOW + pd.Timedelta(minutes=57)
"""Every bin's minute of the hour has come."""


def count(outcome: str) -> float:
    return RECORDED.labels(outcome)._value.get()


def outlook(service: Any, at: pd.Timestamp = LATE, bins: tuple[str, ...] = ("a", "b")) -> Outlook:
    return read_outlook(service.champion, service.store, list(bins), at, at)


class Kept:
    """Where forecasts are put; fails while told to."""

    def __init__(self) -> None:
        self.parts: list[pd.DataFrame] = []
        self.error: Exception | None = None

    def __call__(self, given: Given) -> None:
        if self.error is not None:
            raise self.error
        self.parts.append(given.frame)

    @property
    def frame(self) -> pd.DataFrame:
        return pd.concat(self.parts, ignore_index=True)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def recorder(kept: Kept) -> Recorder:
    return Recorder(kept, 1.0, lambda: LATE)


def test_recorded_is_what_the_answer_said(service: Any, recorder: Recorder, kept: Kept) -> None:
    service.know(a=40, b=60)
    service.now[0] = LATE
    recorder.record(service_outlook := outlook(service))
    asked = {"bin_ids": ["a", "b"], "horizons_h": list(HORIZONS_H), "quantiles": [0.1, 0.5, 0.9]}
    answer = service.post("/v1/forecast", asked)
    frame = kept.frame
    assert len(frame) == 2 * len(HORIZONS_H)
    for told in answer["forecasts"]:
        own = frame[frame["bin_id"] == told["bin_id"]]
        assert [p.isoformat() for p in own["at"]] == [pd.Timestamp(p["at"]).isoformat() for p in told["points"]]
        assert own["q90"].tolist() == [p["quantiles"]["0.9"] for p in told["points"]]
        assert own["p_full"].tolist() == [p["p_full"] for p in told["points"]]
    assert set(frame["model_version"]) == {answer["model"]["version"]}
    assert service_outlook.as_of(LATE) == LATE


def test_a_bin_is_recorded_once_an_hour(service: Any, recorder: Recorder, kept: Kept) -> None:
    service.know(a=40, b=60)
    for minutes in (0, 1, 2):
        recorder.record(outlook(service, LATE + pd.Timedelta(minutes=minutes)))
    assert set(kept.frame["as_of"]) == {LATE}
    recorder.record(outlook(service, LATE + pd.Timedelta(hours=1)))
    assert len(kept.parts) == 2


def test_bins_without_numbers_are_not_recorded(service: Any, recorder: Recorder, kept: Kept) -> None:
    service.know(a=40)
    recorder.record(outlook(service, bins=("nobody", "a")))
    assert set(kept.frame["bin_id"]) == {"a"}


def test_about_the_share_is_drawn_at_moments_all_over_the_hour_and_by_every_process_alike() -> None:
    ids = [f"bin-{k:05d}" for k in range(20_000)]
    minute = np.arange(len(ids)) % 60

    def of(minutes: np.ndarray) -> Any:
        stand_in = type("Forecast", (), {})()
        stand_in.bin_ids = np.array(ids, dtype=object)
        stand_in.as_of = np.full(len(ids), np.datetime64("2026-03-02T12:00", "us")) + minutes.astype("timedelta64[m]")
        return type("Outlook", (), {"forecast": stand_in})()

    last = of(np.full(len(ids), 59))
    lot = lots(last)
    chosen = drawn(lot, last.forecast.as_of, 0.02)
    assert chosen.mean() == pytest.approx(0.02, rel=0.15)
    some = of(minute)
    assert (lots(some) == lot).all()
    by_then = [drawn(lot, of(np.full(len(ids), m)).forecast.as_of, 0.02).sum() for m in (0, 15, 30, 45, 55)]
    assert np.diff(by_then) == pytest.approx(chosen.sum() * np.array([15, 15, 15, 10]) / 55, rel=0.35)
    assert by_then[-1] == chosen.sum()
    assert drawn(lot, last.forecast.as_of, 0.2)[chosen].all()
    next_hour = of(np.full(len(ids), 60 + 59))
    assert (chosen & drawn(lots(next_hour), next_hour.forecast.as_of, 0.02)).sum() < 0.2 * chosen.sum()


def test_a_store_that_fails_is_told_once_counted_and_tried_again_within_the_hour(
    service: Any, recorder: Recorder, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    service.know(a=40, b=60)
    caplog.set_level(logging.INFO, "brimcast")
    failed, stored = count("failed"), count("stored")
    kept.error = StoreError("the database is locked")
    for _ in range(3):
        recorder.record(outlook(service))
    assert [r.levelname for r in caplog.records if "locked" in r.message] == ["ERROR"]
    assert (count("failed") - failed, count("stored") - stored) == (6, 0)
    kept.error = None
    recorder.record(outlook(service))
    assert "recorded again" in caplog.text
    assert count("stored") - stored == 2


def test_what_finds_no_room_is_dropped_and_counted_and_the_rest_is_flushed_at_the_end(
    service: Any, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.know(a=40, b=60)
    monkeypatch.setattr(recorder_module, "FLUSHED_WITHIN_S", 60.0)  # the machine may be busy
    begun, go_on = threading.Event(), threading.Event()

    def slow(given: Given) -> None:
        begun.set()
        go_on.wait(10)
        kept(given)

    recorder = Recorder(slow, 1.0, lambda: LATE)
    recorder.begin()
    before = count("dropped")
    recorder.note(outlook(service))
    assert begun.wait(10)
    later = [outlook(service, LATE + pd.Timedelta(hours=h)) for h in range(1, ROOM + 3)]
    for made in later:
        recorder.note(made)
    assert count("dropped") - before == 2 * 2
    go_on.set()
    recorder.end()
    assert kept.frame["as_of"].nunique() == ROOM + 1


def test_nothing_is_noted_where_the_share_is_none(service: Any, kept: Kept) -> None:
    service.know(a=40)
    recorder = Recorder(kept, 0.0, lambda: LATE)
    recorder.begin()
    recorder.note(outlook(service, bins=("a",)))
    recorder.end()
    assert kept.parts == []


# ---------------------------------------------------------------- the service


@pytest.fixture
def recording(service: Any, live: Callable[[Live], None]) -> Any:
    """The service's state kept fresh, and everything recorded; `service.live.end()` ends it."""
    service.live = Live(lambda: service.store, service.copy, lambda: service.now[0], record_share=1.0)
    live(service.live)
    yield service
    service.live.end()


def given(service: Any) -> pd.DataFrame:
    store: Store = service.store
    return store.given(NOW - pd.Timedelta(days=1), NOW + pd.Timedelta(days=1)).frame


def test_the_service_records_what_it_forecasts_asked_or_not(recording: Any) -> None:
    recording.know(a=40, b=60)
    recording.now[0] = LATE
    recording.live.keep_fresh()
    recording.post("/v1/forecast", {"bin_ids": ["a"]})
    recording.live._keeper.join(0.5)
    recording.live.end()
    found = given(recording)
    assert found.groupby("bin_id").size().to_dict() == {"a": 5, "b": 5}
    assert set(found["role"]) == {"champion"}


def test_recording_never_changes_an_answer(service: Any, live: Callable[[Live], None]) -> None:
    service.know(a=40, b=60, faulty_c=10)
    service.now[0] = LATE
    asks = [
        ("/v1/forecast", {"bin_ids": ["a", "b", "faulty-c", "nobody"]}),
        ("/v1/due", {"by": (LATE + pd.Timedelta(hours=24)).isoformat()}),
    ]
    plain = [service.post(*ask) for ask in asks]
    recorded = Live(lambda: service.store, service.copy, lambda: service.now[0], record_share=1.0)
    live(recorded)
    recorded.keep_fresh()
    try:
        assert [service.post(*ask) for ask in asks] == plain
    finally:
        recorded.end()
    assert len(given(service)) == 3 * 5


def test_a_store_that_takes_no_forecasts_leaves_answers_alone(recording: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recording.know(a=40, b=60)
    recording.now[0] = LATE
    failed = count("failed")

    def broken(given: Given) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(recording.store, "put_given", broken)
    recording.live.keep_fresh()
    answer = recording.post("/v1/forecast", {"bin_ids": ["a", "b"]})
    assert [f["status"] for f in answer["forecasts"]] == ["ok", "ok"]
    recording.live.end()
    assert count("failed") - failed >= 2
    assert recording.ask("GET", "/readyz").status_code == 200


def test_a_question_about_the_past_is_not_recorded(recording: Any) -> None:
    recording.know(a=40)
    recording.now[0] = LATE
    recording.live._recorder.begin()
    recording.post("/v1/forecast", {"bin_ids": ["a"], "as_of": NOW.isoformat()})
    recording.live.end()
    assert given(recording).empty
