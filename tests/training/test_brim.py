from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.brim import BRIMS_PCT, Brim

WEEK_US = 7 * 24 * 3600 * 1_000_000


def windows(leap_pct: float, bins: int = 4, count: int = 400, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Windows of bins that are told full from `leap_pct` on, whose level is known but for two points.

    What was told, whether they were full, bins and as_of.
    """
    rng = np.random.default_rng(seed)
    level = rng.uniform(70, 100, bins * count)
    seen = np.clip((level + 2 - BRIMS_PCT[:, None]) / 4, 0, 1).T  # evenly within two points
    full = level + rng.uniform(-2, 2, len(level)) >= leap_pct
    return seen, full, np.repeat([f"b{k}" for k in range(bins)], count), np.arange(len(level)) * WEEK_US // 20


def learned(leap_pct: float, name: str = "paper", **how: int) -> Brim:
    told, full, bins, as_of = windows(leap_pct, **how)
    return Brim.learn(told, full, np.full(len(full), name, dtype=object), bins, as_of)


@pytest.mark.parametrize("leap_pct", [88.0, 92.0, 95.0])
def test_the_level_from_which_sensors_leap_is_found(leap_pct: float) -> None:
    assert learned(leap_pct).at(np.array(["paper"], dtype=object))[0] == pytest.approx(leap_pct, abs=0.5)


def test_streams_have_their_own_and_strangers_that_of_all() -> None:
    parts = [(name, windows(leap)) for name, leap in (("paper", 90.0), ("glass", 95.0))]
    told, full, bins, as_of = (np.concatenate([part[k] for _, part in parts]) for k in range(4))
    stream = np.repeat([name for name, _ in parts], len(full) // 2).astype(object)
    brim = Brim.learn(told, full, stream, stream + bins.astype(object), as_of)
    paper, glass, other = brim.at(np.array(["paper", "glass", "mixed"], dtype=object)).tolist()
    assert (paper, glass) == (pytest.approx(90, abs=0.5), pytest.approx(95, abs=0.5))
    assert paper < other < glass


def test_one_bin_of_a_week_moves_its_stream_hardly() -> None:
    many, few = windows(95.0), windows(88.0, bins=1, count=20, seed=1)
    told, full, _, as_of = (np.concatenate(pair) for pair in zip(many, few, strict=True))
    stream = np.array(["glass"] * len(many[1]) + ["paper"] * len(few[1]), dtype=object)
    bins = np.concatenate([many[2].astype(object), np.full(len(few[1]), "new", dtype=object)])
    assert Brim.learn(told, full, stream, bins, as_of).at(np.array(["paper"], dtype=object))[0] >= 94


def test_without_a_window_that_tells_bins_are_full_at_the_rim() -> None:
    told, full, bins, as_of = windows(95.0)
    none = full & False
    brim = Brim.learn(0 * told, none, np.full(len(full), "paper", dtype=object), bins, as_of)
    assert brim.at(np.array(["paper", "glass"], dtype=object)).tolist() == [95.0, 95.0]
    assert Brim.none().at(np.array(["paper"], dtype=object)).tolist() == [95.0]


@given(st.integers(0, 20))
def test_it_is_the_same_when_it_is_read_again(seed: int) -> None:
    brim = learned(91.0, bins=2, count=50, seed=seed)
    again = Brim.from_json(brim.to_json())
    assert again.streams == brim.streams
    assert again.pct.tolist() == brim.pct.tolist()
    assert np.isin(brim.pct, BRIMS_PCT).all()
