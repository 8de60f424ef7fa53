"""The model card: what a fitted model says of itself, for the registry's page and the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from data.history import History
from training.evidence import evidence, reliability_table
from training.profiles import FillRateProfiles
from training.score_charts import LEAST_SHOWN, listed, span_h
from training.scores import summary
from training.settings import ModelSettings
from training.slices import SLICES, TITLES
from training.trust_charts import WANTED80, trusted

if TYPE_CHECKING:
    from training.examples import Examples

METHOD = (
    "Each bin has a fill rate for every hour of its local week, shrunk toward its stream's and kind of site's, by its"
    " evidence; both have a yearly wave.",
    "The level now is the isotonic fit over the readings of the current fill cycle, lone spikes set aside.",
    "Recent rise over expected rise, in windows from 6 hours to 28 days, tells how the bin's pace has changed.",
    "Up to 72 hours LightGBM boosters tell how probably the level is at most so high, small neural networks its"
    " quantiles, and the bin's own past moments that are most alike what came of them.",
    "Their probabilities are averaged, as far as each is believed by every other four weeks, held back from a first"
    " fit.",
    "They learn from random past moments, with profiles from other blocks of time, outages and unknown bins played.",
    "Their probabilities, and how often bins are full, are recalibrated by stream and horizon on these.",
    "Where they saw little, and from 72 hours to 14 days, the bin's own rates accumulate, slower the fuller it is.",
    "Quantiles never cross, nor fall with the horizon but in the scored table; steps of a sensor are kept.",
    "All is absent an emptying: what is asked is told as if nobody came (by half without what a faulty sensor says),"
    " what is scored is of windows left alone.",
)
WEATHER_METHOD = (
    "What is expected grows and shrinks with the weather forecast, as far as it departs from the four weeks before."
)
TITLES_OF_DATA = {
    "trained_until": "Heard until",
    "span": "Readings from, to",
    "readings": "Readings",
    "bins": "Bins",
    "streams": "Streams",
    "fingerprint": "Fingerprint of the data",
    "git_commit": "Git commit",
}
SHOWN = {
    "n": "windows", "crps": "CRPS", "mae": "MAE", "cover80": "80% interval covers", "brier": "Brier", "auc": "AUC",
}  # fmt: skip
LONGEST = 4900  # characters that MLflow's database keeps of a description
ALWAYS = (
    "Every forecast is absent an emptying: whether somebody comes is not forecast. Rows of `training forecast` are of "
    "windows left alone, as scored, and may fall where rounds come unseen; with --unattended they are if nobody comes.",
    "Beyond 72 hours it is the bin's own rates that go on; that far ahead it is hardly ever tested.",
    "Scores are against readings, which are themselves off by their sensor's noise.",
)


def fitted_card(
    past: History, end: pd.Timestamp, settings: ModelSettings, examples: Examples, profiles: FillRateProfiles
) -> dict[str, Any]:
    """What can be said of a model as soon as it is fitted: data, settings and method; no scores yet."""
    first, last = past.span or (end, end)
    weather = {"weather": len(past.weather)} if len(past.weather) else {}
    return {
        "trained_until": end.isoformat(),
        "span": [first.isoformat(), last.isoformat()],
        "fingerprint": past.fingerprint(),
        "readings": len(past.readings),
        "bins": len(profiles.bin_ids_),
        "streams": [str(s) for s in profiles.streams_[1:]],
        "examples": len(examples.rise),
        "parameters": settings.model_dump(),
        "method": [*METHOD, WEATHER_METHOD] if weather else list(METHOD),
        **weather,
    }


def scored_card(
    card: Mapping[str, Any], rows: pd.DataFrame, others: Mapping[str, pd.DataFrame], scored_on: str
) -> dict[str, Any]:
    """The card with its evidence: scores overall and by horizon, the baselines', skill, and known weaknesses.

    rows, others: `Backtest.rows` of the model and of the baselines on the same windows; scored_on: these, in words.
    """
    baselines = {name: _scores(other)["overall"] for name, other in others.items()}
    best = min(baselines, key=lambda name: baselines[name]["crps"] or 0.0) if baselines else None
    slices = [name for name in SLICES if name in rows]
    table = evidence(rows, others[best] if best else None, slices)
    own = _scores(rows)
    overall = own.pop("overall")
    found: dict[str, Any] = {
        "scored_on": scored_on,
        "scores": overall,
        "scores_by_horizon": [{"horizon_h": float(h), **row} for h, row in own.items()],
        "baselines": baselines,
        "weaknesses": weaknesses(table, rows, best),
    }
    all_ = table.iloc[np.flatnonzero((table["slice"] == "all") & table["horizon_h"].isna())[0]]
    if best and np.isfinite(all_["skill"]):  # no share of a baseline that never errs
        interval = [None if np.isnan(v) else round(float(v), 4) for v in (all_["skill_low"], all_["skill_high"])]
        found["skill"] = {"against": best, "value": round(float(all_["skill"]), 4), "interval95": interval}
    return dict(card) | found


def weaknesses(table: pd.DataFrame, rows: pd.DataFrame, best: str | None) -> list[str]:
    """What the scores warn of, in sentences; `table` as of `evidence`, `best` the baseline that it is against."""
    all_ = table[table["slice"] == "all"]
    overall = table[table["horizon_h"].isna() & (table["slice"] != "all") & (table["n"] >= LEAST_SHOWN)]
    found = []
    streams = overall[overall["slice"] == "stream"].sort_values("crps")
    if len(streams) > 1:
        worst, easy = streams.iloc[-1], streams.iloc[0]
        found.append(
            f"Hardest stream: {worst['value']}, off by {worst['crps']:.1f} points ({easy['value']}: {easy['crps']:.1f})"
        )
    if best:
        lost = all_[all_["horizon_h"].notna() & ~(all_["skill_low"] > 0)]
        if len(lost):
            found.append(f"Not surely better than {best} at {listed([span_h(h) for h in lost['horizon_h']])}.")
        beaten = overall[overall["skill_high"] < 0]
        if len(beaten):
            found.append(f"Worse than {best} at {listed([_name(row) for row in beaten.to_dict('records')])}.")
    out = overall[~overall["cover80"].between(*WANTED80)]
    if len(out):
        names = [f"{_name(row)} {row['cover80']:.0%}" for row in out.to_dict("records")]
        found.append(
            f"80% intervals that hold less than {WANTED80[0]:.0%} or more than {WANTED80[1]:.0%}: {listed(names)}."
        )
    off = [row for row in reliability_table(rows).to_dict("records") if not trusted(row)]
    if off:
        names = [f"{row['p_mean']:.0%} said came true in {row['event_rate']:.0%}" for row in off]
        found.append(f"Probabilities of being full that are off: {listed(names)}.")
    missing = int(rows["missing"].sum())
    if missing:
        found.append(f"{missing:,} of {len(rows):,} windows had no forecast.")
    worst_bins = rows.nlargest(max(len(rows) // 100, 10), "crps")["bin_id"].value_counts()
    share = worst_bins.iloc[0] / worst_bins.sum()
    if share >= 0.2 and len(rows) >= 1000:
        found.append(f"{share:.0%} of the worst hundredth of all forecasts are at one bin, {worst_bins.index[0]}.")
    return [*found, *ALWAYS]


def markdown(card: Mapping[str, Any]) -> str:
    """The card to read: data, method, scores against baselines, known weaknesses; what it lacks is left out."""
    lines = [f"- {title}: {_text(card[name])}" for name, title in TITLES_OF_DATA.items() if card.get(name)]
    lines += _section("Method", card.get("method"))
    if card.get("scores"):
        lines += ["", f"**Scores** on {card['scored_on']}, in percentage points of fill where not a share:", ""]
        rows = [("all horizons", card["scores"])]
        rows += [(span_h(row["horizon_h"]), row) for row in card["scores_by_horizon"]]
        rows += [(f"baseline {name}, all", row) for name, row in card["baselines"].items()]
        columns = [name for name in SHOWN if name in card["scores"]]
        lines += ["| | " + " | ".join(SHOWN[name] for name in columns) + " |", "| --- " * (len(columns) + 1) + "|"]
        lines += [f"| {name} | " + " | ".join(_number(row.get(c)) for c in columns) + " |" for name, row in rows]
    if card.get("skill"):
        skill = card["skill"]
        low, high = skill["interval95"]
        sure = "" if low is None or high is None else f", with 95% between {low:+.1%} and {high:+.1%}"
        lines += ["", f"Skill (CRPS saved) over {skill['against']}, the best baseline: {skill['value']:+.1%}{sure}."]
    lines += _section("Known weaknesses", card.get("weaknesses"))
    return "\n".join(lines)


def description(card: Mapping[str, Any]) -> str:
    """`markdown`, cut to what the registry keeps."""
    whole = markdown(card)
    return whole if len(whole) <= LONGEST else whole[: whole.rindex("\n", 0, LONGEST)] + "\n\n(cut; see model_card.md)"


def _section(title: str, sentences: list[str] | None) -> list[str]:
    return ["", f"**{title}**", "", *(f"- {words}" for words in sentences)] if sentences else []


def _name(row: Mapping) -> str:
    return f"{row['value']} ({TITLES[row['slice']].lower().removesuffix(', %')})"


def _scores(rows: pd.DataFrame) -> dict[str, dict[str, float | int | None]]:
    """`summary` as JSON has it, by horizon: rounded, counts whole, null where there is none."""
    counts = ("n", "bins", "missing")
    return {
        str(horizon): {
            str(name): None if pd.isna(value) else int(value) if name in counts else round(float(value), 4)
            for name, value in row.items()
        }
        for horizon, row in summary(rows).to_dict("index").items()
    }


def _text(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(str(part) for part in value) if isinstance(value, (list, tuple)) else str(value)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
