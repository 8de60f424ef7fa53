import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from data.bins import Bins
from data.errors import InputError
from data.given import Given
from data.history import History
from data.readings import Readings
from training.backtest import Backtest, backtest
from training.baselines import baseline
from training.comparison import compare
from training.labels import windows
from training.live_scores import score_given
from training.scores import KEY, score

START = pd.Timestamp("2024-01-01", tz="UTC")
UNTIL = START + pd.Timedelta(days=40)
HORIZONS = (6, 24)
EVERY = pd.Timedelta(hours=8)


@pytest.fixture(scope="module")
def history() -> History:
    rng = np.random.default_rng(0)
    frames = []
    for k in range(4):
        fill = np.cumsum(rng.gamma(2, 0.3 * (k + 1), 60 * 24)) % 105
        at = START + pd.to_timedelta(np.arange(len(fill)), unit="h")
        frames.append(pd.DataFrame({"bin_id": f"b{k}", "measured_at": at, "fill_pct": fill.clip(0, 100)}))
    bins = pd.DataFrame({"bin_id": [f"b{k}" for k in range(4)], "timezone": "UTC"})
    bins["stream"] = ["paper", "paper", "glass", "glass"]
    bins["full_pct"] = [60.0, np.nan, 80.0, 110.0]
    return History.of(Readings.checked(pd.concat(frames)), bins=Bins.checked(bins))


@pytest.fixture(scope="module")
def result(history: History) -> Backtest:
    forecasters = {name: baseline(name).fit(history, UNTIL) for name in ("hour-of-week", "persistence")}
    return backtest(forecasters, history, start=UNTIL, every=EVERY, horizons_h=HORIZONS)


def test_every_window_is_asked_and_the_scorable_ones_are_scored(history: History, result: Backtest) -> None:
    scorable = windows(history.readings, UNTIL, history.span[1], EVERY, HORIZONS)  # type: ignore[index]
    assert len(result.windows) > len(scorable)
    key = ["bin_id", "as_of", "at", "horizon_h", "y"]
    pd.testing.assert_frame_equal(result.scorable[key].reset_index(drop=True), scorable[key])
    assert all(len(made) == len(result.windows) for made in result.forecasts.values())


def test_the_scorecard_is_that_of_the_scores(history: History, result: Backtest) -> None:
    card = result.scorecard()
    scorable = windows(history.readings, UNTIL, history.span[1], EVERY, HORIZONS)  # type: ignore[index]
    for name, made in result.forecasts.items():
        mine = card[(card["model"] == name) & (card["slice"] == "all")].set_index("horizon_h")
        assert mine["crps"].to_dict() == pytest.approx(
            {str(h): value for h, value in score(scorable, made)["crps"].items()}
        )
    assert set(card.loc[card["slice"] == "stream", "value"]) == {"paper", "glass"}
    assert set(result.scorecard(["day"])["value"]) == {"all", "weekday", "weekend"}
    assert set(result.rows("persistence")["status"]) == {"ok"}
    assert result.rows("persistence")["cover50"].mean() < result.rows("persistence")["cover80"].mean()


def test_p_full_is_held_against_the_bins_own_full_pct_as_live_scores_are(history: History, result: Backtest) -> None:
    rows = result.rows("hour-of-week").sort_values(KEY, ignore_index=True)
    full = rows["bin_id"].map({"b0": 60.0, "b1": 95.0, "b2": 80.0, "b3": 100.0})
    assert rows["event"].tolist() == (rows["y"] >= full).tolist()
    assert (rows["event"] != (rows["y"] >= 95)).any()
    made = result.forecasts["hour-of-week"]
    own = made["bin_id"].map(history.bins.unique["full_pct"]).to_numpy()
    given = Given.of(made, own, "champion", "hour-of-week", "1", UNTIL)
    live = score_given(given, history, START + pd.Timedelta(days=90)).rows.sort_values(KEY, ignore_index=True)
    for name in (*KEY, "y", "event", "p_full", "brier", "crps"):
        assert rows[name].tolist() == live[name].tolist(), name


def test_a_saved_backtest_is_read_back(result: Backtest, tmp_path: Path) -> None:
    result.save(tmp_path / "f.parquet")
    again = Backtest.load(tmp_path / "f.parquet")
    pd.testing.assert_frame_equal(again.scorecard(), result.scorecard())


def test_the_page_names_every_forecaster_and_needs_no_network(
    history: History, result: Backtest, tmp_path: Path
) -> None:
    result.html(tmp_path / "report.html", history)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in result.forecasts)
    assert "<script" not in page
    assert re.findall(r"""(?:src|href)=["']?([^"'> ]*)""", page) == ["data:,"]
    for part in ("Skill by horizon", "Coverage by slice", "p_full, all horizons", "Typical: b", "worst misses"):
        assert part in page


def test_every_chart_is_drawn_and_has_a_sentence(history: History, result: Backtest, tmp_path: Path) -> None:
    result.html(tmp_path / "report.html", history)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    cards = re.findall(r'<section class="card">.*?</section>', page, re.DOTALL)
    assert len(cards) > 15
    assert all(re.search(r"</svg><p>[^<]{15,}[.]</p>", card) for card in cards)
    for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert "nan" not in ElementTree.tostring(ElementTree.fromstring(drawing), encoding="unicode")


def test_a_page_of_one_forecaster_leaves_the_comparison_out(history: History, tmp_path: Path) -> None:
    alone = {"persistence": baseline("persistence").fit(history, UNTIL)}
    backtest(alone, history, start=UNTIL, every=EVERY, horizons_h=(6,), country="CZ").html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Skill" not in page
    assert "a holiday ahead" not in page  # that there are no such windows is nothing to show


def test_a_page_of_one_bin_says_that_nobody_knows_how_sure_it_is(history: History, tmp_path: Path) -> None:
    one = history.select(["b0"])
    forecasters = {name: baseline(name).fit(one, UNTIL) for name in ("hour-of-week", "persistence")}
    result = backtest(forecasters, one, start=UNTIL, end=UNTIL + pd.Timedelta(days=4), every=EVERY, horizons_h=HORIZONS)
    result.html(tmp_path / "page.html", one)
    page = (tmp_path / "page.html").read_text()
    assert "2 of 2 have no interval" in page
    assert "hold zero" not in page


def test_a_page_of_empty_bins_has_no_share_of_an_error_of_zero(history: History, tmp_path: Path) -> None:
    readings = Readings.checked(history.readings.frame[["bin_id", "measured_at"]].assign(fill_pct=0.0))
    empty = History.of(readings, bins=history.bins)
    forecasters = {name: baseline(name).fit(empty, UNTIL) for name in ("hour-of-week", "persistence")}
    result = backtest(forecasters, empty, start=UNTIL, every=EVERY, horizons_h=HORIZONS)
    result.html(tmp_path / "page.html", empty)
    words = re.sub(r"<[^>]+>", " ", (tmp_path / "page.html").read_text())
    assert not re.search(r"\b(nan|inf)\b", words)


def test_a_comparison_is_relative_to_the_first(result: Backtest) -> None:
    table = compare(result)
    assert table.index.tolist() == ["hour-of-week", "persistence"]
    assert table.loc["hour-of-week", ["ratio", "low", "high"]].tolist() == [1, 1, 1]
    row = table.loc["persistence"]
    assert row["low"] <= row["ratio"] <= row["high"]
    assert row["ratio"] == pytest.approx(row["crps"] / table.loc["hour-of-week", "crps"])
    pd.testing.assert_frame_equal(table, compare(dict(result.forecasts), result.scorable.reset_index(drop=True)))


def test_progress_is_told_and_no_window_is_an_error(history: History) -> None:
    told: list[str] = []
    models = {"persistence": baseline("persistence").fit(history, UNTIL)}
    backtest(models, history, start=UNTIL, every=EVERY, horizons_h=(6,), progress=told.append)
    assert any("persistence" in line for line in told)
    with pytest.raises(InputError, match="no window"):
        backtest(models, history, start=history.span[1] - EVERY, every=EVERY, horizons_h=(72,))  # type: ignore[index]
