import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.bins import Bins
from data.emptyings import Emptyings
from data.errors import InputError
from data.history import History
from data.readings import Readings
from training.baselines import NAMES, Forecaster, baseline
from training.labels import windows as labelled
from training.residuals import COLUMNS
from training.rules import Rule
from training.scores import score

START = pd.Timestamp("2024-01-01", tz="UTC")
UNTIL = START + pd.Timedelta(days=60)
H = pd.Timedelta(hours=1)
NUMBERS = [*COLUMNS, "mean", "p_full"]


def _city(seed: int = 0, days: int = 80) -> History:
    """Four sawtooth bins, three hourly and one daily, with late and revised readings."""
    rng = np.random.default_rng(seed)
    frames = []
    for k, (step_h, rate) in enumerate([(1, 1.5), (1, 0.4), (3, 0.8), (24, 0.5)]):
        n = days * 24 // step_h
        daylight = 0.3 + 1.4 * ((np.arange(n) * step_h % 24 >= 8) & (np.arange(n) * step_h % 24 < 20))
        rises, level, fill = rng.gamma(2, rate * step_h / 2, n) * daylight, 0.0, np.zeros(n)
        for i in range(n):
            level += rises[i]
            if level > 85 and rng.random() < 0.3:
                level = 0.0
            fill[i] = level
        at = START + pd.to_timedelta(np.arange(n) * step_h, unit="h")
        late = pd.to_timedelta(np.where(rng.random(n) < 0.2, rng.integers(1, 30, n), 0), unit="h")
        frame = pd.DataFrame({"bin_id": f"b{k}", "measured_at": at, "received_at": at + late})
        frame["fill_pct"] = (fill + rng.normal(0, 1, n)).clip(0, 100)
        revised = frame.sample(frac=0.05, random_state=seed)
        revised = revised.assign(
            fill_pct=rng.uniform(0, 100, len(revised)), received_at=revised["received_at"] + 40 * H
        )
        frames += [frame, revised]
    bins = pd.DataFrame({"bin_id": ["b0", "b1", "b2", "b3", "silent"], "timezone": "Europe/Prague", "stream": "paper"})
    bins["stream"] = ["paper", "paper", "glass", "paper", "glass"]
    return History.of(Readings.checked(pd.concat(frames)), bins=Bins.checked(bins))


def _windows(seed: int = 0, n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    as_of = UNTIL + pd.to_timedelta(rng.integers(0, 15 * 24, n), unit="h")
    at = as_of + pd.to_timedelta(rng.choice([2, 6, 24, 50, 400], n), unit="h")
    windows = pd.DataFrame({"bin_id": rng.choice(["b0", "b1", "b2", "b3"], n), "as_of": as_of, "at": at})
    return windows.drop_duplicates(ignore_index=True)


@pytest.fixture(scope="module")
def history() -> History:
    return _city()


@pytest.fixture(scope="module")
def fitted(history: History) -> dict[str, Forecaster]:
    return {name: baseline(name).fit(history, UNTIL) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_forecasts_come_in_the_contracts_format(name: str, history: History, fitted: dict[str, Forecaster]) -> None:
    windows = _windows()
    made = fitted[name].forecast_windows(history, windows)
    pd.testing.assert_frame_equal(made[["bin_id", "as_of", "at"]], windows)
    values = made[COLUMNS].to_numpy(float)
    assert values.min() >= 0
    assert values.max() <= 100
    assert (np.diff(values, axis=1) >= 0).all()
    assert made["mean"].between(0, 100).all()
    assert made["p_full"].between(0, 1).all()
    assert set(made["status"]) <= {"ok", "stale"}
    assert set(made["model_version"]) == {f"baseline:{name}"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_heard_later_changes_no_forecast(name: str, history: History, fitted: dict[str, Forecaster]) -> None:
    windows = _windows(1)
    whole = fitted[name].forecast_windows(history, windows)
    for as_of, part in list(windows.groupby("as_of"))[:25]:
        cut = fitted[name].forecast_windows(history.until(as_of), part.reset_index(drop=True))
        pd.testing.assert_frame_equal(cut, whole.iloc[part.index].reset_index(drop=True), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_heard_after_until_teaches_nothing(name: str, history: History, fitted: dict[str, Forecaster]) -> None:
    windows = _windows(2)
    frame = history.readings.frame
    same_versions = History(
        Readings(frame[frame["received_at"] <= UNTIL].reset_index(drop=True)), Emptyings.none(), history.bins
    )
    again = baseline(name).fit(same_versions, UNTIL)
    pd.testing.assert_frame_equal(
        again.forecast_windows(history, windows), fitted[name].forecast_windows(history, windows)
    )


@given(st.integers(0, 1000), st.sampled_from(NAMES))
@settings(max_examples=15, deadline=None)
def test_a_window_is_answered_alone_as_among_others(seed: int, name: str) -> None:
    history, model = _cached(name)
    windows = _windows(seed, 30)
    whole = model.forecast_windows(history, windows)
    for i in (0, len(windows) - 1):
        alone = model.forecast_windows(history, windows.iloc[[i]].reset_index(drop=True))
        pd.testing.assert_frame_equal(alone, whole.iloc[[i]].reset_index(drop=True), rtol=1e-9)


_MODELS: dict[str, tuple[History, Forecaster]] = {}


def _cached(name: str) -> tuple[History, Forecaster]:
    if name not in _MODELS:
        history = _city(days=70)
        _MODELS[name] = history, baseline(name).fit(history, UNTIL)
    return _MODELS[name]


@pytest.mark.parametrize("name", NAMES)
def test_silent_and_unknown_bins_get_a_status_and_no_numbers(
    name: str, history: History, fitted: dict[str, Forecaster]
) -> None:
    asked = pd.DataFrame({"bin_id": ["silent", "nobody", "b0"], "as_of": UNTIL, "at": UNTIL + 24 * H})
    made = fitted[name].forecast_windows(history, asked)
    assert made["status"].tolist() == ["no_data", "unknown_bin", "ok"]
    assert made[NUMBERS].isna().all(axis=1).tolist() == [True, True, False]


@pytest.mark.parametrize("name", NAMES)
def test_no_window_gives_an_empty_table(name: str, history: History, fitted: dict[str, Forecaster]) -> None:
    made = fitted[name].forecast_windows(history, _windows().iloc[:0])
    assert len(made) == 0
    assert {*NUMBERS, "status", "model_version"} <= set(made.columns)


def test_the_hour_of_week_knows_day_from_night() -> None:
    hour = np.arange(40 * 24)
    rises = np.where((hour % 24 >= 8) & (hour % 24 < 20), 2.0, 0.5)  # in UTC; Prague is an hour ahead in winter
    at = START + pd.to_timedelta(hour, unit="h")
    frame = pd.DataFrame({"bin_id": "x", "measured_at": at, "fill_pct": np.cumsum(rises) % 90})
    bins = Bins.named(["x"], "Europe/Prague")
    rule = baseline("hour-of-week").fit(History.of(Readings.checked(frame), bins=bins))
    assert isinstance(rule, Rule)
    by_hour = rule.profile.rate[0].reshape(7, 24).mean(axis=0)
    assert by_hour[10:20].min() > 1.7
    assert by_hour[[0, 1, 2, 3, 4, 5, 6, 23]].max() < 0.9


def test_forecasts_of_a_fresh_history_are_calibrated_enough(history: History, fitted: dict[str, Forecaster]) -> None:
    asked = labelled(history.readings, UNTIL, START + pd.Timedelta(days=80), 5 * H, (6, 24))
    for model in fitted.values():
        assert 0.6 < score(asked, model.forecast_windows(history, asked)).loc["overall", "cover80"] <= 1


@pytest.mark.parametrize("name", [n for n in NAMES if n != "lgb-quantile"])
def test_one_reading_is_enough_for_a_rule(name: str) -> None:
    one = Readings.checked(pd.DataFrame({"bin_id": ["x"], "measured_at": [START], "fill_pct": [40.0]}))
    history = History.of(one)
    asked = pd.DataFrame({"bin_id": ["x"], "as_of": [START + H], "at": [START + 7 * H]})
    made = baseline(name).fit(history).forecast_windows(history, asked)
    assert made["q50"].between(39, 45).all()


def test_unknown_names_and_empty_histories_are_refused(history: History) -> None:
    with pytest.raises(InputError, match="hour-of-week"):
        baseline("tarot")
    with pytest.raises(InputError, match="no reading"):
        baseline("persistence").fit(history, START - H)
