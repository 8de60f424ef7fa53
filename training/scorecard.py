"""Tables of scores as text, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from training.verdict import Verdict

SHOWN = ["n", "bins", "missing", "crps", "mae", "bias", "cover80", "width80", "brier", "auc"]
LIVE = ["n", "bins", "crps", "mae", "cover80", "brier"]
LEGEND = (
    "crps, mae, bias, width80: percentage points of fill; cover80: share inside the 80% interval; brier, auc: of p_full"
)


def scores_text(scores: pd.DataFrame) -> str:
    """Scores of one forecaster by horizon (hours) and overall."""
    return f"{_text(scores[SHOWN])}\n{LEGEND}"


def card_text(card: Mapping[str, Any]) -> str:
    """What a model's card says of it against the baselines, and its known weaknesses."""
    lines = []
    if card.get("skill"):
        low, high = card["skill"]["interval95"]
        sure = "" if low is None or high is None else f" (95% interval {low:+.1%} to {high:+.1%})"
        lines.append(f"Skill over {card['skill']['against']}, the best baseline: {card['skill']['value']:+.1%}{sure}")
    lines += [f"- {words}" for words in card.get("weaknesses", [])]
    return "\n".join(lines)


def scorecard_text(scores: pd.DataFrame) -> str:
    """A backtest's scorecard: overall scores by forecaster, then CRPS by horizon and by stream."""
    overall = scores[(scores["slice"] == "all") & (scores["horizon_h"] == "overall")].set_index("model")
    by_horizon = scores[(scores["slice"] == "all") & (scores["horizon_h"] != "overall")]
    by_stream = scores[(scores["slice"] == "stream") & (scores["horizon_h"] == "overall")]
    parts = [f"{_text(overall[SHOWN])}\n{LEGEND}"]
    for title, part, column in (("horizon, hours", by_horizon, "horizon_h"), ("stream", by_stream, "value")):
        order = list(dict.fromkeys(part[column]))
        table = part.pivot(index="model", columns=column, values="crps").reindex(index=overall.index, columns=order)
        parts.append(f"CRPS by {title}:\n{_text(table.rename_axis(columns=None))}")
    return "\n\n".join(parts)


def comparison_text(table: pd.DataFrame) -> str:
    """Models side by side: scores, CRPS by horizon, and CRPS over the first model's with its 95% interval."""
    horizons = [name for name in table if str(name).startswith("crps_")]
    ratio = table[["crps", "ratio", "low", "high"]]
    return "\n\n".join(
        [
            f"{_text(table[SHOWN])}\n{LEGEND}",
            f"CRPS by horizon (hours):\n{_text(table[horizons].rename(columns=lambda name: name[5:]))}",
            f"CRPS over that of {table.index[0]}, with its 95% interval (below 1: better):\n{_text(ratio)}",
        ]
    )


def live_text(card: Mapping[str, Any]) -> str:
    """The scorecard of forecasts that were given (`live_scorecard.scorecard`): by horizon, and by model."""
    aside = ", ".join(f"{n:,} {reason}" for reason, n in card["unscored"].items()) or "none"
    head = (
        f"{card['given']:,} forecasts given since {card['since'][:16]} UTC: {card['scored']:,} scored, "
        f"{card['not_yet_due']:,} not yet due, left out: {aside}"
    )
    if not card["scored"]:
        return head
    lines = [("all", part) for part in (*card["by_horizon"], card["overall"])]
    lines += [(f"{m['role']} {m['model_version']}", m["overall"]) for m in card["by_model"]]
    table = pd.DataFrame([_live_line(name, part) for name, part in lines]).set_index(["model", "horizon_h"])
    return f"{head}\n{_text(table)}\n{LEGEND}; skill: CRPS saved against {card['against']}, on the same windows"


def _live_line(name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    horizon = part["horizon_h"]
    line = {"model": name, "horizon_h": "overall" if horizon is None else f"{horizon:g}"}
    base = {f"base_{measure}": (part["baseline"] or {}).get(measure) for measure in LIVE[2:]}
    return line | {measure: part[measure] for measure in LIVE} | base | {"skill": part["skill"]}


def verdict_text(verdict: Verdict) -> str:
    """The checks of a challenger: both, the change with its bounds, what was allowed, and what speaks against it."""
    table = verdict.table
    share = table["check"].isin(["CRPS", "replay"])
    shown = table[["check", "of", "windows"]].copy()
    shown["champion"], shown["challenger"] = table["champion"].map(_number), table["challenger"].map(_number)
    for name in ("change", "low", "high"):
        shown[name] = [
            _percent(v) if relative else _number(v, "+") for v, relative in zip(table[name], share, strict=True)
        ]
    shown["limit"] = table["limit"]
    untold = (share & table["low"].isna()) | table["words"].str.endswith("too few to tell")
    shown[""] = np.where(~table["passed"], "REFUSED", np.where(untold, "too few to tell", "passed"))
    for name in ("check", "of", "limit"):
        wide = int(shown[name].str.len().max())
        shown[name] = shown[name].str.ljust(wide)
        shown = shown.rename(columns={name: name.ljust(wide)})
    lines = [
        shown.to_string(index=False),
        "CRPS: percentage points of fill; low, high: bounds of the change, of all slices together; replay: bin-weeks",
        f"Asked on windows from {verdict.start:%Y-%m-%d %H:%M} to {verdict.end:%Y-%m-%d %H:%M} UTC:",
        f"{verdict.judged[0]}, against {verdict.judged[1]}",
    ]
    return "\n".join([*lines, *(f"- {words}" for words in verdict.reasons)])


def _number(value: float, sign: str = "") -> str:
    return "-" if np.isnan(value) else f"{value:{sign}.3f}"


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:+.1%}"


def _text(frame: pd.DataFrame) -> str:
    return frame.to_string(na_rep="-", float_format="{:.3f}".format)
