import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from training.scores import (
    DECILES,
    KEY,
    P_EPS,
    TAUS,
    auc,
    bootstrap_ratio,
    crps_deciles,
    reliability,
    row_scores,
    score,
    skill,
    summary_by,
)

START = pd.Timestamp("2024-01-01", tz="UTC")
H = pd.Timedelta(hours=1)


@pytest.fixture
def windows() -> pd.DataFrame:
    """Two bins: a came true at 50 and 96, b at 20."""
    as_of = [START, START + 6 * H, START]
    return pd.DataFrame(
        {
            "bin_id": ["a", "a", "b"],
            "as_of": as_of,
            "at": [t + 6 * H for t in as_of],
            "horizon_h": 6.0,
            "y": [50.0, 96.0, 20.0],
            "stream": ["paper", "paper", "glass"],
        }
    )


@pytest.fixture
def forecasts(windows: pd.DataFrame) -> pd.DataFrame:
    """Point forecasts 50, 88 and 22."""
    values = np.repeat(np.array([[50.0], [88.0], [22.0]]), 9, axis=1)
    return windows[KEY].assign(**dict(zip(DECILES, values.T, strict=True)), p_full=[0.1, 0.6, 0.0])


def test_crps_by_hand() -> None:
    assert crps_deciles(np.array([50.0]), TAUS[None] * 100)[0] == pytest.approx(80 / 9)
    assert crps_deciles(np.array([50.0]), np.full((1, 9), 42.0))[0] == pytest.approx(8)


def test_auc_counts_ties_half() -> None:
    assert auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])) == pytest.approx(0.75)
    assert auc(np.array([0.5, 0.5]), np.array([0, 1])) == pytest.approx(0.5)
    assert np.isnan(auc(np.array([0.5, 0.5]), np.array([1, 1])))


def test_every_bin_counts_the_same(windows: pd.DataFrame, forecasts: pd.DataFrame) -> None:
    row = score(windows, forecasts).loc["overall"]
    assert row["crps"] == pytest.approx(3)
    assert row["bias"] == pytest.approx((-4 + 2) / 2)
    assert row["cover80"] == pytest.approx(0.25)
    assert row["brier"] == pytest.approx((0.01 + 0.16) / 4)
    logloss = ((-np.log(0.9) - np.log(0.6)) / 2 - np.log(1 - P_EPS)) / 2
    assert row["logloss"] == pytest.approx(logloss)
    assert row["auc"] == 1


def test_a_missing_forecast_scores_as_uninformative_and_is_counted(
    windows: pd.DataFrame, forecasts: pd.DataFrame
) -> None:
    absent = score(windows, forecasts.iloc[:2])
    empty = forecasts.copy()
    empty.loc[2, [*DECILES, "p_full"]] = np.nan
    pd.testing.assert_frame_equal(absent, score(windows, empty))
    assert absent.loc["overall", "missing"] == 1
    uninformed = crps_deciles(np.array([20.0]), TAUS[None] * 100)[0]
    assert absent.loc["overall", "crps"] == pytest.approx((4 + uninformed) / 2)


def test_the_order_of_forecasts_changes_nothing(windows: pd.DataFrame, forecasts: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(score(windows, forecasts), score(windows, forecasts.iloc[[2, 0, 1]]))


def test_slices_are_scored_apart(windows: pd.DataFrame, forecasts: pd.DataFrame) -> None:
    table = summary_by(row_scores(windows, forecasts), "stream")
    assert table.loc[("glass", "overall"), "crps"] == pytest.approx(2)
    assert table.loc[("paper", "overall"), "crps"] == pytest.approx(4)


def test_half_the_errors_are_half_the_ratio_and_half_the_skill(windows: pd.DataFrame, forecasts: pd.DataFrame) -> None:
    y = windows["y"].to_numpy()[:, None]
    worse = forecasts.copy()
    worse[DECILES] = np.clip(y + 2 * (forecasts[DECILES].to_numpy() - y), 0, 100)
    ours, theirs = row_scores(windows, forecasts), row_scores(windows, worse)
    assert bootstrap_ratio(ours, theirs, np.random.default_rng(0))[0] == pytest.approx(0.5)
    assert bootstrap_ratio(ours, ours, np.random.default_rng(0)) == (1, 1, 1)
    assert skill(score(windows, forecasts), score(windows, worse))["overall"] == pytest.approx(0.5)


def test_reliability_counts_what_came_true(windows: pd.DataFrame, forecasts: pd.DataFrame) -> None:
    table = reliability(row_scores(windows, forecasts))
    assert table["n"].tolist() == [1, 1, 1]
    assert table["low"].tolist() == [0.0, 0.1, 0.6]
    assert table["event_rate"].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="q50"), "q50"),
        (lambda f: f.assign(q20=99.0), "decrease"),
        (lambda f: f.assign(q90=140.0), "140"),
        (lambda f: pd.concat([f, f]), "twice"),
        (lambda f: f.assign(p_full=2.0), "p_full"),
        (lambda f: f.assign(q10=np.nan), "some deciles empty"),
    ],
)
def test_broken_forecasts_are_refused_with_a_reason(change, message, windows, forecasts) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        score(windows, change(forecasts))


@given(st.lists(st.floats(0, 100), min_size=9, max_size=9), st.floats(0, 100), st.floats(-50, 50))
@settings(max_examples=50)
def test_crps_is_never_negative_and_does_not_depend_on_the_origin(q: list[float], y: float, shift: float) -> None:
    quantiles = np.sort(np.array(q))[None]
    here = crps_deciles(np.array([y]), quantiles)[0]
    assert here >= 0
    assert crps_deciles(np.array([y + shift]), quantiles + shift)[0] == pytest.approx(here, abs=1e-9)
