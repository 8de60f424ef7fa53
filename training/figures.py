"""Charts of how good forecasts are, as matplotlib figures that touch no global state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from data.tables import FULL_PCT

BLUE, GREY, RED = "#2060a0", "#606060", "#b03020"
BANDS = (("q05", "q95", 0.15), ("q10", "q90", 0.2), ("q30", "q70", 0.3))
COVER_PCT = 80
FACTS = ["stream", "full_pct"]


def fan_charts(forecasts: pd.DataFrame, readings: pd.DataFrame, facts: pd.DataFrame | None = None) -> Figure:
    """A panel per bin: its forecast from one `as_of` as a fan, and the readings before and after it.

    forecasts: the contract's table, one as_of per bin, rows by `at`; readings: bin_id, measured_at, fill_pct;
    facts: the bins' stream and full_pct by bin_id, for the titles and the line of being full.
    """
    bins = list(dict.fromkeys(forecasts["bin_id"]))
    figure, panels = _panels(len(bins), width=5.5, height=2.8)
    for axes, bin_id in zip(panels, bins, strict=False):
        fan = forecasts[forecasts["bin_id"] == bin_id].dropna(subset="q50")
        own = readings[readings["bin_id"] == bin_id].sort_values("measured_at")
        at = fan["at"].dt.tz_convert(None)
        for low, high, alpha in BANDS:
            axes.fill_between(at, fan[low], fan[high], color=BLUE, alpha=alpha, linewidth=0)
        axes.plot(at, fan["q50"], color=BLUE, label="forecast, absent an emptying")
        axes.plot(own["measured_at"].dt.tz_convert(None), own["fill_pct"], ".", color=GREY, ms=3, label="readings")
        if len(fan):
            axes.axvline(fan["as_of"].dt.tz_convert(None).iloc[0], color=GREY, lw=0.8, ls=":")
        stream, full = (None, FULL_PCT) if facts is None or bin_id not in facts.index else facts.loc[bin_id, FACTS]
        axes.axhline(full, color=RED, lw=0.8, ls="--", label="full")
        axes.set(title=f"{bin_id}, {stream}" if stream else bin_id, ylim=(-2, 108), ylabel="fill, %")
        locator = AutoDateLocator(maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    if bins:
        panels[0].legend(loc="upper left", fontsize=7, frameon=False)
    figure.suptitle("Forecasts (50%, 80%, 90% bands) and what the sensors said; times in UTC")
    return figure


def reliability_chart(table: pd.DataFrame) -> Figure:
    """How often bins were full when p_full said so; `table` as of `scores.reliability`."""
    figure, (axes,) = _panels(1, width=5, height=5)
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls="--", label="perfect")
    error = 2 * table["error"].to_numpy()
    axes.errorbar(
        table["p_mean"], table["event_rate"], yerr=error, fmt="o-", color=BLUE, ms=4, label="observed ± 2 s.e."
    )
    for p, rate, n in zip(table["p_mean"], table["event_rate"], table["n"], strict=True):
        axes.annotate(f"{n:,}", (p, rate), textcoords="offset points", xytext=(5, -9), fontsize=7, color=GREY)
    axes.set(
        xlabel="p_full, forecast", ylabel="share of windows that were full", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03)
    )
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    figure.suptitle("Forecast probability of being full against how often it came true")
    return figure


def coverage_chart(rows: pd.DataFrame, streams: Sequence[str] | None = None) -> Figure:
    """Share of windows inside the 80% interval by horizon, all and per stream; `rows` as of `scores.row_scores`."""
    figure, (axes,) = _panels(1, width=6.5, height=4)
    axes.axhline(COVER_PCT, color=GREY, lw=0.8, ls="--", label="nominal")
    shown = {"all": rows}
    if "stream" in rows:
        names = streams or sorted(rows["stream"].unique())
        shown |= {name: rows[rows["stream"] == name] for name in names}
    for name, part in shown.items():
        # Means within a bin first, as all our scores: every bin counts the same.
        share = part.groupby(["horizon_h", "bin_id"])["cover80"].mean().groupby("horizon_h").mean() * 100
        style = {"color": BLUE, "lw": 2.5} if name == "all" else {"lw": 1}
        axes.plot(share.index.to_numpy(float), share.to_numpy(), "o-", ms=3, label=name, **style)
    axes.set(xlabel="horizon, hours", ylabel="inside the 80% interval, %", ylim=(0, 101))
    axes.legend(fontsize=8, frameon=False, ncols=2)
    figure.suptitle("Coverage of the 80% interval by horizon and stream")
    return figure


def change_chart(table: pd.DataFrame) -> Figure:
    """The challenger's CRPS against the champion's by slice, with its bounds; `table` as of `Verdict.table`."""
    shown = table[table["check"] == "CRPS"].iloc[::-1].reset_index(drop=True)
    figure, (axes,) = _panels(1, width=7, height=1.2 + 0.28 * len(shown))
    axes.axvline(0, color=GREY, lw=0.8, ls="--")
    for place, row in enumerate(shown.to_dict("records")):
        color = BLUE if row["passed"] else RED
        axes.plot([100 * row["low"], 100 * row["high"]], [place, place], color=color, lw=1.2)
        axes.plot(100 * row["change"], place, "o", color=color, ms=4)
    axes.set_yticks(range(len(shown)), [f"{of} ({n:,})" for of, n in zip(shown["of"], shown["windows"], strict=True)])
    axes.set(xlabel="CRPS against the champion's, % (left: better; red: refused)", ylim=(-0.7, len(shown) - 0.3))
    figure.suptitle("Challenger against champion by slice (windows)")
    return figure


def _panels(n: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with n panels, two abreast, drawn by Agg whatever pyplot may be set to."""
    columns = min(2, max(n, 1))
    rows = -(-max(n, 1) // columns)
    figure = Figure(figsize=(width * columns, height * rows + 0.4), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel().tolist()
    for axes in panels[n:]:
        axes.set_axis_off()
    for axes in panels[: max(n, 1)]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(9)
    return figure, panels
