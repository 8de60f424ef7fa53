from __future__ import annotations

from collections.abc import Mapping
from html import escape

import pandas as pd
import plotly.graph_objects as go
import plotly.io

from training.scores import reliability

COLOURS = ("#2060a0", "#c05020", "#409050", "#8050a0", "#908020", "#606060", "#20a0a0", "#b03060")
SHOWN = ["n", "bins", "missing", "crps", "mae", "bias", "cover80", "width80", "brier", "logloss", "auc"]
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-size:13px}td,th{padding:3px 9px;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}tr.first td{font-weight:600}.wide{overflow-x:auto}"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Backtest</title><style>{style}</style></head><body>
{body}
</body></html>
"""


def report(card: pd.DataFrame, rows: Mapping[str, pd.DataFrame], asked: int) -> str:
    """One HTML page, complete without a network: the scorecard and its charts.

    card: `Backtest.scorecard` sliced by stream, day and level; rows: `row_scores` by forecaster, the first is ours.
    """
    everything = card[card["slice"] == "all"]
    first = next(iter(rows))
    scored = rows[first]
    span = f"{scored['as_of'].min():%Y-%m-%d} to {scored['as_of'].max():%Y-%m-%d}"
    charts = [_crps(everything), _coverage(everything), _reliability(rows)]
    charts += [_slices(card, kind, title) for kind, title in (("stream", "stream"), ("level_now", "level now, %"))]
    parts = [
        f"<h1>How far off were the forecasts of {escape(span)}?</h1>",
        f"<p>{len(scored):,} of {asked:,} windows asked could be scored: a fresh reading at the origin, one at the "
        "target, and no emptying between. Bins count the same, horizons count the same. CRPS is in percentage points "
        "of fill; less is better.</p>",
        _html_table(everything[everything["horizon_h"] == "overall"]),
    ]
    for place, chart in enumerate(charts):
        parts.append(plotly.io.to_html(chart, full_html=False, include_plotlyjs=place == 0, div_id=f"chart{place}"))
    for kind, title in (("stream", "By stream"), ("day", "By day"), ("level_now", "By level now")):
        sliced = card[(card["slice"] == kind) & (card["horizon_h"] == "overall")]
        parts += [f"<h2>{title}</h2>", _html_table(sliced, with_value=True)]
    parts += ["<h2>By horizon</h2>", _html_table(everything, with_horizon=True)]
    return PAGE.format(style=STYLE, body="\n".join(parts))


def _crps(card: pd.DataFrame) -> go.Figure:
    figure = _figure("The error grows with the horizon: CRPS by forecaster", "horizon, h", "CRPS, points of fill")
    for colour, (name, table) in zip(_colours(card["model"]), card.groupby("model", sort=False), strict=True):
        by_horizon = table[table["horizon_h"] != "overall"]
        figure.add_scatter(x=by_horizon["horizon_h"], y=by_horizon["crps"], name=name, line_color=colour)
    figure.update_xaxes(type="category")
    return figure


def _coverage(card: pd.DataFrame) -> go.Figure:
    figure = _figure("Share of truths inside the 80% interval: 0.8 is right", "horizon, h", "share inside")
    for colour, (name, table) in zip(_colours(card["model"]), card.groupby("model", sort=False), strict=True):
        by_horizon = table[table["horizon_h"] != "overall"]
        figure.add_scatter(x=by_horizon["horizon_h"], y=by_horizon["cover80"], name=name, line_color=colour)
    figure.add_hline(y=0.8, line_dash="dot", line_color="#222")
    figure.update_yaxes(range=[0, 1])
    figure.update_xaxes(type="category")
    return figure


def _reliability(rows: Mapping[str, pd.DataFrame]) -> go.Figure:
    figure = _figure("When we say full with p, is it? On the line is right", "p_full", "share that came to be full")
    for colour, (name, table) in zip(_colours(rows), rows.items(), strict=True):
        cells = reliability(table)
        figure.add_scatter(
            x=cells["p_mean"], y=cells["event_rate"], name=name, line_color=colour, mode="lines+markers",
            error_y={"array": cells["error"], "thickness": 1}, customdata=cells["n"],
            hovertemplate="p %{x:.2f}, came true %{y:.2f}, %{customdata} windows",
        )  # fmt: skip
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#222"}, showlegend=False)
    return figure


def _slices(card: pd.DataFrame, kind: str, title: str) -> go.Figure:
    figure = _figure(f"Where it is hard: overall CRPS by {title}", title, "CRPS, points of fill")
    part = card[(card["slice"] == kind) & (card["horizon_h"] == "overall")]
    for colour, (name, table) in zip(_colours(part["model"]), part.groupby("model", sort=False), strict=True):
        figure.add_bar(x=table["value"], y=table["crps"], name=name, marker_color=colour)
    figure.update_xaxes(type="category")
    return figure


def _figure(title: str, x: str, y: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(title=title, xaxis_title=x, yaxis_title=y, template="plotly_white", height=420)
    return figure


def _colours(names: object) -> list[str]:
    count = len(dict.fromkeys(names))  # type: ignore[call-overload]
    return [COLOURS[k % len(COLOURS)] for k in range(count)]


def _html_table(card: pd.DataFrame, *, with_value: bool = False, with_horizon: bool = False) -> str:
    columns = ["model", *(["value"] if with_value else []), *(["horizon_h"] if with_horizon else []), *SHOWN]
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = []
    ours = card["model"].iloc[0] if len(card) else ""
    for row in card[columns].to_dict("records"):
        cells = "".join(f"<td>{escape(_shown(row[c]))}</td>" for c in columns)
        body.append(f"<tr{' class=first' if row['model'] == ours else ''}>{cells}</tr>")
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
