from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from data.history import History
from data.readings import Readings
from data.sequences import microsecond
from training import examples
from training.calendar import WEEK_H
from training.lookup import UNKNOWN
from training.profiles import EVERY, MIN_RATE, NANO, Accumulated, FillRateProfiles, Spans

MONDAY_S = 2870 * WEEK_H * 3600  # some Monday, in local seconds since the first one
DAY = np.where((np.arange(WEEK_H) % 24 >= 8) & (np.arange(WEEK_H) % 24 < 20), 1.6, 0.2)
WEEKEND = np.where(np.arange(WEEK_H) >= 5 * 24, 2.0, 0.5)


def spans(bin_id: str, rates: np.ndarray, weeks: int, stream: str = "mixed", step_h: int = 1) -> pd.DataFrame:
    """Spans of `step_h` hours over some weeks, in which a bin rose exactly as its weekly `rates` say."""
    starts = np.arange(0, weeks * WEEK_H, step_h)
    gathered = np.concatenate([[0], np.cumsum(np.tile(rates, weeks))])
    return pd.DataFrame(
        {
            "bin_id": bin_id, "stream": stream, "start_s": MONDAY_S + starts * 3600, "hours": float(step_h),
            "rise": gathered[starts + step_h] - gathered[starts],
        }
    )  # fmt: skip


def fitted(*tables: pd.DataFrame) -> FillRateProfiles:
    table = pd.concat(tables, ignore_index=True)
    return FillRateProfiles().fit(table.drop(columns="rise"), table["rise"].to_numpy())


def rates_of(profiles: FillRateProfiles, bin_id: str, stream: str = "mixed") -> np.ndarray:
    return profiles.table[profiles.rows(np.array([bin_id], dtype=object), np.array([stream], dtype=object))[0]]


def test_with_much_evidence_a_bins_own_week_is_learned() -> None:
    profiles = fitted(spans("a", DAY, 60), spans("b", WEEKEND, 60))
    np.testing.assert_allclose(rates_of(profiles, "a"), DAY, rtol=0.25, atol=0.1)
    np.testing.assert_allclose(rates_of(profiles, "b"), WEEKEND, rtol=0.25, atol=0.1)
    assert (profiles.own_weight_ > 0.99).all()
    assert profiles.evidence_h_.tolist() == [60 * WEEK_H] * 2


def test_with_little_evidence_a_bin_has_its_streams_week_at_its_own_pace() -> None:
    others = [spans(f"o{k}", DAY, 20) for k in range(5)]
    profiles = fitted(*others, spans("new", 3 * DAY, 1).iloc[:72])
    ratio = rates_of(profiles, "new") / rates_of(profiles, "nobody")
    assert (ratio > 1.5).all()
    assert ratio.std() / ratio.mean() < 0.5
    assert (profiles.own_weight_[profiles.bin_ids_ == "new"] < profiles.own_weight_[-1]).all()


def test_an_unknown_bin_has_its_streams_week_and_an_unknown_stream_the_citys() -> None:
    profiles = fitted(
        *(spans(f"p{k}", DAY, 20, "paper") for k in range(3)),
        *(spans(f"g{k}", 3 * WEEKEND, 20, "glass") for k in range(3)),
    )
    assert profiles.streams_.tolist() == [EVERY, "glass", "paper"]
    np.testing.assert_allclose(rates_of(profiles, "nobody", "paper"), DAY, rtol=0.35, atol=0.3)
    np.testing.assert_array_equal(rates_of(profiles, "nobody", "batteries"), profiles.kind_rates_[0, 0])


def test_long_spans_are_told_apart_by_what_short_ones_showed() -> None:
    profiles = fitted(*(spans(f"s{k}", DAY, 20) for k in range(4)), spans("slow", DAY, 40, step_h=24))
    slow = rates_of(profiles, "slow")
    assert slow[DAY > 1].mean() > 4 * slow[DAY < 1].mean()
    assert slow.mean() == pytest.approx(DAY.mean(), rel=0.05)


def test_noise_below_zero_makes_no_rate_negative() -> None:
    noisy = spans("a", DAY, 4).assign(rise=lambda t: t["rise"] - 5)
    assert (fitted(noisy).table >= MIN_RATE).all()


def test_the_prediction_is_the_rate_over_the_span() -> None:
    profiles = fitted(spans("a", DAY, 30))
    start_s = MONDAY_S + np.array([0, 1800, 100 * 3600])
    asked = pd.DataFrame({"bin_id": "a", "stream": "mixed", "start_s": start_s, "hours": [168.0, 1.0, 100.0]})
    rates = profiles.rates_[0]
    week = np.tile(rates, 2)
    expected = [rates.sum(), (rates[0] + rates[1]) / 2, week[100:200].sum()]
    np.testing.assert_allclose(profiles.predict(asked), expected, rtol=1e-4)


def test_an_unknown_bin_has_the_hours_of_its_kind_of_site_at_the_rate_of_its_stream() -> None:
    profiles = fitted(
        *(spans(f"p{k}", 2 * WEEKEND, 20, "paper").assign(site="park") for k in range(3)),
        *(spans(f"s{k}", 2 * DAY, 20, "paper").assign(site="street") for k in range(3)),
        *(spans(f"g{k}", DAY, 20, "glass").assign(site="street") for k in range(3)),
    )

    def rates(stream: str, site: str) -> np.ndarray:
        told = (np.array([name], dtype=object) for name in ("nobody", stream, site))
        return profiles.table[profiles.rows(*told)[0]]

    assert profiles.sites_.tolist() == [UNKNOWN, "park", "street"]
    weekend = np.arange(WEEK_H) >= 5 * 24
    parks, streets = rates("glass", "park"), rates("glass", "street")  # no glass bin ever stood in a park
    assert parks[weekend].mean() / parks[~weekend].mean() > 2.5
    assert streets[weekend].mean() / streets[~weekend].mean() < 1.3
    assert rates("paper", "street").mean() / streets.mean() == pytest.approx(2.0, rel=0.25)
    np.testing.assert_array_equal(rates("paper", "square"), rates("paper", UNKNOWN))


def test_noise_does_not_make_a_bin_faster() -> None:
    """Readings that go up and down by several points, of a bin that gathers a tenth of a point an hour."""
    rng = np.random.default_rng(0)
    quiet = spans("a", np.full(WEEK_H, 0.1), 20)
    quiet["rise"] += np.diff(rng.normal(0, 3, len(quiet) + 1))
    assert fitted(quiet).rates_.sum() == pytest.approx(0.1 * WEEK_H, rel=0.1)


@settings(deadline=None)
@given(st.lists(st.integers(-(10**9), 10**10), min_size=3, max_size=3))
def test_what_is_gathered_over_neighbouring_spans_adds_up_exactly(moments: list[int]) -> None:
    gathered = Accumulated.of(np.stack([DAY, WEEKEND]), np.array([1, 0]))
    first, middle, last = (gathered.at(np.array([m, m]), np.arange(2)) for m in sorted(moments))
    assert ((middle - first) + (last - middle) == last - first).all()
    assert (first <= middle).all()
    assert (middle <= last).all()


def test_a_week_gathers_the_sum_of_its_rates() -> None:
    gathered = Accumulated.of(np.stack([DAY, WEEKEND]), np.array([0, 1]))
    start = np.array([MONDAY_S, MONDAY_S + 12_345])
    risen = (gathered.at(start + WEEK_H * 3600, np.arange(2)) - gathered.at(start, np.arange(2))) / NANO
    np.testing.assert_allclose(risen, [DAY.sum(), WEEKEND.sum()], rtol=1e-6)
    np.testing.assert_allclose(gathered.per_day, [DAY.sum() / 7, WEEKEND.sum() / 7], rtol=1e-6)


@settings(deadline=None)
@given(st.integers(0, WEEK_H * 3600), st.floats(0.01, 400))
def test_the_pieces_of_a_span_are_as_long_as_it_is(start: int, hours: float) -> None:
    pieces = Spans.of(np.array([MONDAY_S + start]), np.array([hours]))
    assert pieces.hours.sum() == pytest.approx(hours)
    assert (pieces.hours <= 1 + 1e-9).all()
    assert ((pieces.cell >= 0) & (pieces.cell < WEEK_H)).all()


def test_the_order_of_the_spans_does_not_matter() -> None:
    table = pd.concat([spans("a", DAY, 4), spans("b", WEEKEND, 4)], ignore_index=True)
    shuffled = table.sample(frac=1, random_state=2)
    np.testing.assert_allclose(fitted(table).table, fitted(shuffled).table, rtol=1e-9)


def test_it_is_an_estimator_as_scikit_learn_knows_them() -> None:
    profiles = FillRateProfiles(prior_bin=3.0)
    assert clone(profiles).get_params()["prior_bin"] == 3.0
    with pytest.raises(NotFittedError):
        profiles.predict(spans("a", DAY, 1))
    table = spans("a", DAY, 10)
    assert FillRateProfiles().fit(table, table["rise"].to_numpy()).score(table, table["rise"].to_numpy()) > 0.8


def test_profiles_learn_nothing_from_jumps_of_the_sensor() -> None:
    hours = np.arange(60 * 24)
    steady = 10 + 0.05 * hours % 60
    jumping = np.where((hours > 700) & (hours < 900) & (hours % 10 < 4), 95.0, steady)
    at = pd.Timestamp("2025-01-06T00:00Z") + pd.to_timedelta(hours, "h")
    table = pd.concat(
        [pd.DataFrame({"bin_id": name, "measured_at": at, "fill_pct": fill}) for name, fill in
         (("steady", steady), ("jumping", jumping))]
    )  # fmt: skip
    history = History.of(Readings.checked(table))
    learned = FillRateProfiles().fit(*examples.spans(history, microsecond(at[-1])))
    per_day = 24 * learned.rates_.mean(axis=1)
    np.testing.assert_allclose(per_day, 1.2, rtol=0.1)
