from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from training.forecast import QUANTILE_COLUMNS, UNATTENDED, FillForecast

NOW = pd.Timestamp("2025-03-01T06:00Z").as_unit("us")
HORIZONS = np.array([0, 6, 24, 72, 336.0])
LEVELS = np.array([0, 0.1, 0.5, 0.9, 1.0])
GRIDS = npst.arrays(float, (3, len(HORIZONS), len(LEVELS)), elements=st.integers(0, 60).map(float))
RISKS = st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.77, 0.95])
HOURS = st.floats(0, 336)
MADE_UP = settings(deadline=None, max_examples=100)


def forecast(values: np.ndarray, full_pct: float = 95.0, status: str = "ok", step_pct: float = 0.0) -> FillForecast:
    """A forecast of bins b0, b1, ... made at NOW, with these values (n, 5, 5)."""
    n = len(values)
    moment = NOW.tz_localize(None).to_datetime64()
    return FillForecast(
        bin_ids=np.array([f"b{k}" for k in range(n)], dtype=object), as_of=np.full(n, moment), horizons_h=HORIZONS,
        levels=LEVELS, values=values, left_alone=values, status=np.full(n, status, dtype=object), reasons=((),) * n,
        last_reading_at=np.full(n, moment), fill_now_pct=values[:, 0, 2], full_pct=np.full(n, full_pct),
        step_pct=np.full(n, step_pct),
        model_version="test/1",
    )  # fmt: skip


def rising(steps: np.ndarray) -> FillForecast:
    """A monotone forecast whose values are sums of `steps` (n, 5, 5), none of them negative."""
    return forecast(steps.cumsum(axis=1).cumsum(axis=2) / 3)


def after(hours: float) -> pd.Timestamp:
    return NOW + pd.Timedelta(hours=hours)


def steady(rate: float = 1.0) -> FillForecast:
    """A bin that fills by `rate` points an hour from 20 percent, give or take 10."""
    spread = np.array([-15, -10, 0, 10, 15.0])
    return forecast((20 + rate * HORIZONS[:, None] + spread)[None])


# ---------------------------------------------------------------- questions about a moment


def test_between_horizons_and_levels_it_interpolates() -> None:
    assert steady().quantile(0.5, after(15)).tolist() == [35]
    assert steady().quantile(0.3, after(15)).tolist() == [30]
    assert steady().quantiles([0.1, 0.9], after(30)).tolist() == [[40, 60]]


def test_what_is_told_lies_within_0_and_100() -> None:
    assert steady().quantile(0.9, after(300)).tolist() == [100]
    assert forecast(np.full((1, 5, 5), -3.0)).quantile(0.5, after(3)).tolist() == [0]


def test_moments_outside_the_two_weeks_are_answered_with_their_ends() -> None:
    answer = steady(0.1)
    assert answer.quantile(0.5, after(-5)) == answer.quantile(0.5, NOW)
    assert answer.quantile(0.5, after(999)) == answer.quantile(0.5, after(336))


def test_each_bin_may_have_its_own_moment() -> None:
    both = forecast(np.concatenate([steady().values, steady().values]))
    at = both.as_of + np.array([6, 24]).astype("timedelta64[h]")
    assert both.quantile(0.5, at).tolist() == [26, 44]


def test_a_moment_may_be_told_in_any_zone() -> None:
    local = after(6).tz_convert("Asia/Kolkata")
    assert steady().quantile(0.5, local) == steady().quantile(0.5, after(6))


@MADE_UP
@given(GRIDS, HOURS, HOURS, RISKS, RISKS)
def test_quantiles_rise_with_the_level_and_with_the_moment(
    steps: np.ndarray, one: float, other: float, p: float, q: float
) -> None:
    answer = rising(steps)
    early, late = after(min(one, other)), after(max(one, other))
    assert (answer.quantile(min(p, q), early) <= answer.quantile(max(p, q), early) + 1e-9).all()
    assert (answer.quantile(p, early) <= answer.quantile(p, late) + 1e-9).all()
    assert (answer.mean(early) <= answer.mean(late) + 1e-9).all()
    assert ((answer.mean(late) >= 0) & (answer.mean(late) <= 100)).all()


@MADE_UP
@given(GRIDS, HOURS, HOURS, st.floats(1, 150), st.floats(1, 150))
def test_p_full_rises_with_the_moment_and_falls_with_full_pct(
    steps: np.ndarray, one: float, other: float, low: float, high: float
) -> None:
    answer = rising(steps)
    early, late = after(min(one, other)), after(max(one, other))
    low, high = min(low, high), max(low, high)
    assert (answer.p_full(early, low) <= answer.p_full(late, low) + 1e-9).all()
    assert (answer.p_full(early, high) <= answer.p_full(early, low) + 1e-9).all()
    assert ((answer.p_full(late, low) >= 0) & (answer.p_full(late, low) <= 1)).all()


@MADE_UP
@given(GRIDS, HOURS, st.integers(1, 99))
def test_p_full_and_the_quantiles_say_the_same(steps: np.ndarray, hours: float, full: int) -> None:
    """Where p is the probability of reaching `full`, the quantile at 1 - p is `full`."""
    answer = rising(steps)
    p = answer.p_full(after(hours), full)
    for row in np.flatnonzero((p > 0.001) & (p < 0.999)):
        assert answer.quantile(1 - p[row], after(hours))[row] == pytest.approx(full, abs=1e-6)


def test_the_mean_is_the_integral_of_the_quantiles() -> None:
    assert steady().mean(after(24))[0] == pytest.approx(44)
    levels = np.linspace(0, 1, 100_001)
    expected = steady().quantiles(levels, after(70))[0].mean()  # partly above the rim
    assert steady().mean(after(70))[0] == pytest.approx(expected, abs=0.5)


# ---------------------------------------------------------------- questions about a probability


def test_full_at_is_when_the_quantile_reaches_full() -> None:
    assert steady().full_at(0.5)[0] == after(75).tz_localize(None)
    assert steady().full_at(0.1)[0] == after(65).tz_localize(None)


def test_the_likelier_full_is_asked_to_be_the_later_it_is() -> None:
    p10, p50, p90 = (steady().full_at(p)[0] for p in (0.1, 0.5, 0.9))
    assert p10 < p50 < p90


def test_a_bin_that_is_not_full_within_two_weeks_has_no_moment() -> None:
    assert np.isnat(steady(0.1).full_at(0.5)).all()


def test_a_bin_that_is_full_now_was_so_at_as_of() -> None:
    answer = forecast(np.full((1, 5, 5), 99.0))
    assert answer.full_at(0.5).tolist() == answer.as_of.tolist()
    assert answer.latest_safe(0.1).tolist() == answer.as_of.tolist()


@MADE_UP
@given(GRIDS, RISKS, st.integers(5, 120))
def test_until_the_latest_safe_moment_the_risk_is_kept_and_after_it_is_not(
    steps: np.ndarray, risk: float, full: int
) -> None:
    answer = rising(steps)
    safe = answer.latest_safe(risk, full)
    never = np.isnat(safe)
    assert (answer.p_full(after(336), full)[never] <= risk + 1e-9).all()
    at = np.where(never, answer.as_of, safe)
    passed = answer.p_full(at, full) > risk + 1e-6
    assert (at[passed] == answer.as_of[passed]).all()  # only where the risk was passed from the start
    later = np.where(never, answer.as_of, safe + np.timedelta64(1, "s"))
    assert (answer.p_full(later, full)[~never] >= risk - 1e-6).all()


@pytest.mark.parametrize("wrong", [0, 1, -0.1, 2])
def test_full_at_wants_a_probability_between_0_and_1(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        steady().full_at(wrong)


def test_quantiles_want_levels_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="0-1"):
        steady().quantiles([0.5, 95], NOW)


# ---------------------------------------------------------------- bins without numbers


def test_a_bin_without_data_has_no_numbers_and_disturbs_no_other() -> None:
    answer = forecast(np.concatenate([np.full((1, 5, 5), np.nan), steady().values]))
    assert np.isnan(answer.quantiles([0.1, 0.9], after(6))[0]).all()
    assert np.isnan([answer.mean(after(6))[0], answer.p_full(after(6))[0]]).all()
    assert np.isnat([answer.full_at(0.5)[0], answer.latest_safe(0.1)[0]]).all()
    assert answer.quantile(0.5, after(6))[1] == 26
    assert answer.full_at(0.5)[1] == after(75).tz_localize(None)


# ---------------------------------------------------------------- the object


def test_select_gives_bins_in_the_order_asked_and_refuses_others() -> None:
    three = forecast(np.arange(3.0)[:, None, None] + np.zeros((1, 5, 5)))
    assert three.select(["b2", "b0"]).quantile(0.5, NOW).tolist() == [2, 0]
    assert len(three.select([])) == 0
    with pytest.raises(KeyError, match="b9"):
        three.select(["b0", "b9"])


def test_take_may_repeat_rows() -> None:
    assert steady().take(np.array([0, 0])).bin_ids.tolist() == ["b0", "b0"]


def test_a_grid_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="bins x horizons x levels"):
        replace(steady(), values=np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="from 0"):
        replace(steady(), levels=np.array([0.1, 0.2, 0.5, 0.9, 1.0]))


def test_the_table_has_the_contracts_columns() -> None:
    table = steady().table(np.array([after(24).tz_localize(None).to_datetime64()]))
    expected = ["bin_id", "as_of", "at", *QUANTILE_COLUMNS, "mean", "p_full", "status", "model_version", UNATTENDED]
    assert table.columns.tolist() == expected
    assert list(QUANTILE_COLUMNS) == ["q05", *(f"q{p}" for p in range(10, 100, 10)), "q95"]
    assert table["q50"].tolist() == [44]
    assert table["at"].tolist() == [after(24)]


# ---------------------------------------------------------------- if nobody comes


def test_all_is_told_as_if_nobody_came_but_the_table_that_is_scored() -> None:
    usual, alone = steady(rate=0.5), steady(rate=2)
    both = replace(alone, left_alone=usual.values)
    assert both.full_at(0.5).tolist() == alone.full_at(0.5).tolist() != usual.full_at(0.5).tolist()
    assert both.latest_safe(0.1).tolist() == alone.latest_safe(0.1).tolist()
    assert both.quantile(0.5, after(24)).tolist() == alone.quantile(0.5, after(24)).tolist()
    told = both.table(np.array([after(40).tz_localize(None).to_datetime64()]))
    assert told["q50"].tolist() == usual.quantile(0.5, after(40)).tolist()
    assert told["p_full"].item() == 0 < told[UNATTENDED].item()
    assert told[UNATTENDED].tolist() == both.p_full(after(40)).tolist() == alone.p_full(after(40)).tolist()


def test_rows_of_several_parts_are_joined_end_to_end() -> None:
    whole = forecast(np.concatenate([steady(rate).values for rate in (1, 2, 3)]))
    parts = [whole.take(np.array([0])), whole.take(np.array([1, 2]))]
    again = FillForecast.joined(parts)
    assert again.bin_ids.tolist() == whole.bin_ids.tolist()
    assert again.reasons == whole.reasons
    assert (again.values == whole.values).all()
    assert (again.full_at(0.5) == whole.full_at(0.5)).all()


# ---------------------------------------------------------------- sensors that speak in steps


def test_what_is_told_of_a_sensor_with_steps_are_its_steps() -> None:
    stepped = forecast(steady().values, step_pct=20.0)
    assert stepped.quantiles([0.1, 0.5, 0.9], after(24)).tolist() == [[40, 40, 60]]  # 34, 44 and 54
    assert set(stepped.table(stepped.as_of)[[*QUANTILE_COLUMNS]].to_numpy().ravel().tolist()) <= {
        0,
        20,
        40,
        60,
        80,
        100,
    }


def test_a_bin_with_steps_is_full_when_its_sensor_will_show_it() -> None:
    exact, stepped = forecast(steady().values), forecast(steady().values, step_pct=20.0)
    assert stepped.p_full(after(70)).tolist() == exact.p_full(after(70), 90.0).tolist()  # shown as 100
    assert stepped.full_at(0.5).tolist() == exact.full_at(0.5, 90.0).tolist()
    assert stepped.p_full(after(70), 80.0).tolist() == exact.p_full(after(70), 70.0).tolist()
