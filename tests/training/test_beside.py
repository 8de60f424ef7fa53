"""Who is asked beside the champion: the same questions, once, knowing what had been heard when they were put."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.given import BASELINE, CHAMPION, SHADOW, Given
from data.history import History
from data.settings import Settings
from data.store import Store
from training import beside, shadow
from training.baselines import baseline
from training.beside import ask_beside, the_baseline, the_challenger
from training.live_comparison import compare_live
from training.live_scores import score_store
from training.model import FillModel
from training.registry import CHALLENGER, local_copy
from training.shadow import ask_challenger
from training.tracking import RegistryError

KEY = ["bin_id", "as_of", "at"]
NUMBERS = ["q10", "q50", "q90", "mean", "p_full"]


@pytest.fixture
def now(split: pd.Timestamp) -> pd.Timestamp:
    return split + pd.Timedelta(days=6)


@pytest.fixture
def store(small_history: History, split: pd.Timestamp, tmp_path: Path) -> Iterator[Store]:
    """The small city, and what a champion said of it at 20 moments after `split`, at a minute of its own each."""
    ids = small_history.bins.unique.index.tolist()
    rows = [
        (bin_id, split + pd.Timedelta(hours=6 * k, minutes=k), h) for bin_id in ids for k in range(20) for h in (6, 24)
    ]
    windows = pd.DataFrame(rows, columns=["bin_id", "as_of", "h"]).astype({"as_of": "datetime64[us, UTC]"})
    windows["at"] = windows["as_of"] + pd.to_timedelta(windows.pop("h"), unit="h")
    made = baseline("persistence").fit(small_history, split).forecast_windows(small_history, windows)
    with Store(f"sqlite:///{tmp_path}/store.db") as opened:
        opened.put(small_history.readings, None, small_history.bins)
        opened.put_given(Given.of(made, np.full(len(made), 95.0), CHAMPION, "brimcast", "1", split))
        yield opened


def told(store: Store, split: pd.Timestamp, role: str) -> pd.DataFrame:
    return store.given(split, split + pd.Timedelta(days=9), [role]).frame


def given(store: Store, split: pd.Timestamp) -> Given:
    return store.given(split, split + pd.Timedelta(days=9))


def test_the_baseline_is_asked_the_same_and_only_once(store: Store, split: pd.Timestamp, now: pd.Timestamp) -> None:
    asked = ask_beside(store, given(store, split), the_baseline(), now)
    champion, base = told(store, split, CHAMPION), told(store, split, BASELINE)
    assert asked == len(champion) == 12 * 20 * 2
    pd.testing.assert_frame_equal(champion[KEY], base[KEY])
    assert ask_beside(store, given(store, split), the_baseline(), now) == 0


def test_the_baseline_knows_nothing_that_was_heard_later(
    store: Store, small_history: History, split: pd.Timestamp, now: pd.Timestamp, tmp_path: Path
) -> None:
    ask_beside(store, given(store, split), the_baseline(), now)
    base = told(store, split, BASELINE)
    first = base[base["as_of"] == base["as_of"].min()]
    with Store(f"sqlite:///{tmp_path}/then.db") as then:
        known = small_history.until(first["as_of"].iloc[0])
        then.put(known.readings, None, known.bins)
        champion = told(store, split, CHAMPION)
        then.put_given(Given(champion[champion["as_of"].isin(first["as_of"])].reset_index(drop=True)))
        ask_beside(then, given(then, split), the_baseline(), now)
        again = told(then, split, BASELINE)
    pd.testing.assert_frame_equal(first[[*KEY, *NUMBERS]].reset_index(drop=True), again[[*KEY, *NUMBERS]])


def test_a_challenger_says_what_it_would_have_said_then(
    store: Store, small_history: History, split: pd.Timestamp, now: pd.Timestamp, tiny_model: FillModel
) -> None:
    ask_beside(store, given(store, split), the_challenger(tiny_model, "brimcast", "2"), now)
    said = told(store, split, SHADOW)
    assert len(said) == 480
    expected = tiny_model.forecast_windows(small_history, said[KEY])
    np.testing.assert_allclose(said[NUMBERS], expected[NUMBERS], rtol=0, atol=1e-9)
    assert set(said["model_version"]) == {"2"}


def test_a_challenger_is_not_asked_of_what_it_has_learned_from(
    store: Store, split: pd.Timestamp, now: pd.Timestamp, tiny_model: FillModel
) -> None:
    later = split + pd.Timedelta(days=2)
    newer = replace(tiny_model, card=tiny_model.card | {"trained_until": later.isoformat()})
    ask_beside(store, given(store, split), the_challenger(newer, "brimcast", "2"), now)
    assert told(store, split, SHADOW)["as_of"].min() >= later


def test_the_baseline_learns_from_further_bins_where_few_are_asked(
    store: Store, split: pd.Timestamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    whole = store.history

    def noted(ids: list[str], **more: Any) -> History:
        asked.append(ids)
        return whole(ids, **more)

    monkeypatch.setattr(store, "history", noted)
    monkeypatch.setattr(beside, "BINS_AT_ONCE", 5)
    some = told(store, split, CHAMPION)
    few = Given(some[some["bin_id"].isin(some["bin_id"].unique()[:2])].reset_index(drop=True))
    ask_beside(store, few, the_baseline(), split)
    assert all(len(set(ids)) == len(ids) == 5 for ids in asked)


# ---------------------------------------------------------------- the registry's challenger


def test_the_registrys_challenger_is_asked_and_told(
    store: Store, split: pd.Timestamp, now: pd.Timestamp, registered: Settings
) -> None:
    state = ask_challenger(store, given(store, split), registered, now)
    assert state == {"ok": True, "version": "3", "asked": 480}
    assert len(told(store, split, SHADOW)) == 480


def test_a_champion_has_no_shadow_of_its_own(
    store: Store, split: pd.Timestamp, now: pd.Timestamp, registered: Settings
) -> None:
    champion = Given(told(store, split, CHAMPION).assign(model_version="3"))
    state = ask_challenger(store, champion, registered, now)
    assert state["ok"]
    assert "is the champion" in state["detail"]
    assert told(store, split, SHADOW).empty


def test_a_challenger_that_is_missing_or_broken_is_told_not_raised(
    store: Store, split: pd.Timestamp, now: pd.Timestamp, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = ask_challenger(store, given(store, split), settings, now)
    assert (missing["ok"], missing["version"]) == (False, None)
    assert "no challenger" in missing["detail"]

    class Broken:
        card = {"trained_until": "2020-01-01T00:00:00+00:00"}  # noqa: RUF012 - a stand-in

        def forecast_windows(self, *_: object) -> None:
            raise RuntimeError("no idea")

    monkeypatch.setattr(shadow, "local_copy", lambda *_: (Path(), 4))
    monkeypatch.setattr(shadow, "load_model", lambda _: Broken())
    broken = ask_challenger(store, given(store, split), settings, now)
    assert broken == {"ok": False, "version": "4", "asked": 0, "detail": "Version 4 does not answer: no idea"}
    monkeypatch.setattr(shadow, "local_copy", _away)
    assert "does not answer" in ask_challenger(store, given(store, split), settings, now)["detail"]


def _away(*_: object) -> None:
    raise RegistryError("The registry does not answer", expected="one that does", remedy="Wait.")


def test_the_challenger_of_the_registry_is_copied_beside_the_champion(registered: Settings) -> None:
    assert local_copy("brimcast", CHALLENGER, registered)[1] == 3


# ---------------------------------------------------------------- side by side


def test_live_comparison_is_of_the_windows_that_all_were_asked(
    store: Store, split: pd.Timestamp, now: pd.Timestamp, tiny_model: FillModel
) -> None:
    ask_beside(store, given(store, split), the_baseline(), now)
    half = given(store, split).frame
    early = Given(half[half["as_of"] < split + pd.Timedelta(days=3)].reset_index(drop=True))
    ask_beside(store, early, the_challenger(tiny_model, "brimcast", "2"), now)
    rows = score_store(store, split, now + pd.Timedelta(days=9)).rows
    table = compare_live(rows)
    assert table.index.tolist() == ["champion 1", "shadow 2", "baseline"]
    assert table["n"].nunique() == 1
    assert table["n"].iloc[0] == (rows["role"] == "shadow").sum()
    assert table.loc["shadow 2", "ratio"] < 1  # the champion here says that nothing changes
    assert table.loc["shadow 2", "low"] < table.loc["shadow 2", "ratio"] < table.loc["shadow 2", "high"]


def test_without_a_shadow_there_is_nothing_to_compare(store: Store, split: pd.Timestamp, now: pd.Timestamp) -> None:
    rows = score_store(store, split, now).rows
    with pytest.raises(Exception, match="BRIMCAST_SHADOW=true"):
        compare_live(rows)
