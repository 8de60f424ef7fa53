from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from training.candidate import Candidate
from training.figures import coverage_chart, fan_charts, reliability_chart
from training.scores import reliability


def png(figure: Figure) -> bytes:
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()


def fan(values: list[float]) -> pd.DataFrame:
    as_of = pd.Timestamp("2025-02-01T06:00Z")
    at = as_of + pd.to_timedelta(np.arange(len(values)), unit="h")
    levels = ["q05", *[f"q{p}" for p in range(10, 100, 10)], "q95"]
    return pd.DataFrame({"bin_id": "a", "as_of": as_of, "at": at} | dict.fromkeys(levels, values))


READINGS = pd.DataFrame(
    {"bin_id": ["a"], "measured_at": pd.to_datetime(["2025-02-01T05:00Z"], utc=True), "fill_pct": [40.0]}
)


def test_a_fit_brings_three_figures(candidate: Candidate) -> None:
    assert set(candidate.figures) == {"fan_charts", "p_full_reliability", "coverage"}
    assert all(png(figure).startswith(b"\x89PNG") for figure in candidate.figures.values())


def test_every_figure_says_what_it_shows(candidate: Candidate) -> None:
    assert all(len(figure.get_suptitle()) > 20 for figure in candidate.figures.values())


def test_a_fan_has_a_panel_per_bin_named_with_its_stream() -> None:
    two = pd.concat([fan([40, 41]), fan([10, 20]).assign(bin_id="b")])
    figure = fan_charts(two, READINGS, pd.DataFrame({"stream": "paper", "full_pct": 80.0}, index=["a"]))
    assert [axes.get_title() for axes in figure.axes] == ["a, paper", "b"]
    full = [line for axes in figure.axes for line in axes.lines if line.get_label() == "full"]
    assert [list(np.asarray(line.get_ydata())) for line in full] == [[80, 80], [95, 95]]


def test_a_fan_without_numbers_is_drawn_empty() -> None:
    assert png(fan_charts(fan([np.nan, np.nan]), READINGS)).startswith(b"\x89PNG")
    assert png(fan_charts(fan([1.0])[:0], READINGS[:0])).startswith(b"\x89PNG")


def test_coverage_counts_every_bin_the_same() -> None:
    rows = pd.DataFrame({"horizon_h": 6.0, "bin_id": ["a", "a", "a", "b"], "cover80": [1.0, 1.0, 1.0, 0.0]})
    axes = coverage_chart(rows).axes[0]
    (line,) = [line for line in axes.lines if line.get_label() == "all"]
    assert list(np.asarray(line.get_ydata())) == [50.0]


def test_reliability_is_drawn_where_nothing_was_ever_full() -> None:
    rows = pd.DataFrame({"p_full": [0.01, 0.02, 0.4], "event": [False, False, False]})
    assert png(reliability_chart(reliability(rows))).startswith(b"\x89PNG")


def test_figures_leave_pyplot_alone() -> None:
    code = "import training.figures, sys; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
