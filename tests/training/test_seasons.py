from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.calendar import WEEK_H
from training.lookup import UNKNOWN
from training.profiles import NANO, Accumulated
from training.seasons import EVEN, WEEKS, YEAR_WEEKS, Seasons

WEEK_S = WEEK_H * 3600
JANUARY = 2870  # weeks since Monday 1969-12-29: a Monday in January 2025
EXPECTED = 40.0


def told(*names: str) -> np.ndarray:
    return np.array(names, dtype=object)


def wave(week: np.ndarray, amplitude: float, peak_week: float = 28.0) -> np.ndarray:
    """Factor of a wave that is highest in week `peak_week` of the year."""
    return np.exp(amplitude * np.cos((week - JANUARY - peak_week) * 2 * np.pi / YEAR_WEEKS))


def weeks_of(bins: dict[str, tuple[str, str, float]], count: int, rng: np.random.Generator) -> tuple:
    """Spans, risen, expected: a week each, of bins with (stream, site, amplitude), deposits in lumps of 4 points."""
    week = JANUARY + np.arange(count)
    frames, risen = [], []
    for name, (stream, site, amplitude) in bins.items():
        start_s = week * WEEK_S
        frames.append(pd.DataFrame({"bin_id": name, "stream": stream, "site": site, "start_s": start_s}))
        risen.append(4.0 * rng.poisson(EXPECTED / 4 * wave(week, amplitude)))
    spans = pd.concat(frames, ignore_index=True)
    return spans, np.concatenate(risen), np.full(len(spans), EXPECTED)


def growth(seasons: Seasons, stream: str, site: str = UNKNOWN) -> float:
    """Rates of June over those of March."""
    year, row = seasons.years(told(stream), told(site))
    return float(year[row[0], (JANUARY + 24) % WEEKS] / year[row[0], (JANUARY + 10) % WEEKS])


def test_what_many_bins_do_together_in_half_a_year_is_a_season() -> None:
    bins = {f"o{k}": ("organic", UNKNOWN, 0.4) for k in range(15)} | {f"p{k}": ("paper", "", 0.0) for k in range(15)}
    found = Seasons.learn(*weeks_of(bins, 26, np.random.default_rng(0)))
    week = np.array([JANUARY + 10, JANUARY + 24])
    assert growth(found, "organic") == pytest.approx(np.divide(*wave(week, 0.4)[::-1]), rel=0.12)
    assert growth(found, "paper") == pytest.approx(1.0, abs=0.08)
    assert growth(found, "batteries") == 1.0
    assert not found.sites


def test_a_kind_of_site_has_its_season_in_every_stream() -> None:
    bins = {
        f"{s}{site}{k}": (s, site, 0.4 * (site == "park")) for s in "ab" for site in ("park", "street") for k in "12345"
    }
    found = Seasons.learn(*weeks_of(bins, 40, np.random.default_rng(1)))
    assert growth(found, "a", "park") / growth(found, "a", "street") > 1.4
    assert growth(found, "new", "park") > 1.2


def test_a_lone_bins_year_is_not_all_its_streams() -> None:
    spans = weeks_of({"a": ("mixed", UNKNOWN, 0.4)}, 104, np.random.default_rng(2))
    assert 1.2 < growth(Seasons.learn(*spans), "mixed") < 1.65  # of 1.78


def test_nothing_to_learn_from_is_no_season() -> None:
    spans, risen, expected = weeks_of({"a": ("mixed", UNKNOWN, 0.3)}, 5, np.random.default_rng(4))
    assert growth(Seasons.learn(spans, risen, np.zeros_like(expected)), "mixed") == 1.0


def test_seasons_survive_json() -> None:
    found = Seasons({"paper": np.array([0.1, -0.2])}, {"park": np.array([-0.3, 0.0])})
    again = Seasons.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert growth(again, "paper", "park") == growth(found, "paper", "park")


SUMMERY = Seasons({"green": np.array([-0.4, 0.1])}, {})


def gathered() -> Accumulated:
    rates = np.linspace(0.0, 2.0, WEEK_H)[None]
    return Accumulated.of(rates, np.zeros(2, dtype=int), None, SUMMERY, told("green", "grey"), told("", ""))


@settings(deadline=None)
@given(st.lists(st.integers(-(10**9), 10**10), min_size=3, max_size=3))
def test_what_is_gathered_through_the_year_never_falls(moments: list[int]) -> None:
    first, middle, last = (gathered().at(np.array([m, m]), np.arange(2)) for m in sorted(moments))
    assert (first <= middle).all()
    assert (middle <= last).all()


def test_a_week_gathers_what_its_season_makes_of_it() -> None:
    week = np.array([JANUARY + 28, JANUARY + 28])
    start = week * WEEK_S
    risen = (gathered().at(start + WEEK_S, np.arange(2)) - gathered().at(start, np.arange(2))) / NANO
    year, row = SUMMERY.years(told("green", "grey"), told("", ""))
    factors = year[row, week % WEEKS] / EVEN
    assert factors[0] > 1.3
    assert factors[1] == 1.0
    np.testing.assert_allclose(risen, factors * WEEK_H, rtol=1e-5)
    begin = np.array([(week[0] + 1) * WEEK_S])
    seam = gathered().at(begin, np.zeros(1, int)) - gathered().at(begin - 1, np.zeros(1, int))
    assert 0 < seam[0] / NANO < 0.002  # a second of at most 3 points an hour
