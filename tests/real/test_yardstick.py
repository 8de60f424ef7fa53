"""Our yardstick against the neutral one, on real windows."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from data.readings import Readings
from training import labels, scores

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
SPANS = {
    "prague": ("2025-02-01T00:00Z", 5.0, (6, 12, 24, 48, 72)),
    "wyndham": ("2020-07-01T00:00Z", 24.0, (24, 48, 72)),
}

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not (SHARED / "bench" / "score.py").exists(), reason="needs ../shared/bench and ../shared/data"),
]


@pytest.fixture(scope="module")
def neutral() -> ModuleType:
    spec = importlib.util.spec_from_file_location("neutral_score", SHARED / "bench" / "score.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _raw(city: str) -> pd.DataFrame:
    return pd.read_parquet(SHARED / "data" / f"{city}_readings.parquet")[["bin_id", "measured_at", "fill_pct"]]


@pytest.mark.parametrize("city", SPANS)
def test_labels_are_the_neutral_scorers_row_for_row(city: str, neutral: ModuleType) -> None:
    raw = _raw(city)
    start, every_h, horizons = SPANS[city]
    end = raw["measured_at"].max()
    theirs = neutral.windows(raw, start, end, every_h, horizons)
    ours = labels.windows(Readings.checked(raw), pd.Timestamp(start), end, pd.Timedelta(hours=every_h), horizons)
    pd.testing.assert_frame_equal(ours, theirs[ours.columns], check_exact=True, check_index_type=False)


@pytest.mark.parametrize("city", SPANS)
def test_emptyings_seen_with_hindsight_are_the_neutral_scorers(city: str, neutral: ModuleType) -> None:
    lines = labels.levels(Readings.checked(_raw(city)))
    ours = labels.hindsight_emptyings(lines)
    theirs = [
        neutral.find_emptyings(lines.hours[a:b], lines.value[a:b])
        for a, b in zip(lines.bounds[:-1], lines.bounds[1:], strict=True)
    ]
    np.testing.assert_array_equal(ours, np.concatenate(theirs))
    assert ours.sum() > 100


@pytest.mark.parametrize("city", SPANS)
def test_scores_are_the_neutral_scorers(city: str, neutral: ModuleType) -> None:
    truth = pd.read_parquet(SHARED / "bench" / f"{city}_windows.parquet")
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for noise in (5.0, 20.0):
        forecasts = truth[scores.KEY].copy()
        spread = np.linspace(-noise, noise, 9)[None, :]
        centre = truth["y"].to_numpy()[:, None] + rng.normal(0, noise, (len(truth), 1))
        forecasts[scores.DECILES] = np.clip(centre + spread, 0, 100)
        forecasts["p_full"] = np.clip((centre[:, 0] - 80) / 20, 0, 1)
        forecasts.loc[::50, [*scores.DECILES, "p_full"]] = np.nan
        forecasts = forecasts.iloc[: -len(truth) // 40].sample(frac=1, random_state=1)
        ours.append(scores.row_scores(truth, forecasts))
        theirs.append(forecasts)
        table = scores.summary(ours[-1])
        expected = neutral.score(truth, forecasts)
        pd.testing.assert_frame_equal(
            table, expected[table.columns], rtol=1e-9, atol=1e-9, check_names=False, check_index_type=False
        )
    ratio = scores.bootstrap_ratio(*ours, np.random.default_rng(0), 200)
    np.testing.assert_allclose(ratio, neutral.bootstrap_ratio(truth, *theirs, n=200, seed=0), rtol=1e-9)
    np.testing.assert_allclose(
        scores.skill(scores.summary(ours[0]), scores.summary(ours[1])).to_numpy(float),
        neutral.skill(truth, *theirs).to_numpy(float),
        rtol=1e-9,
    )
