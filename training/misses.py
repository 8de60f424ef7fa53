"""The forecasts that were furthest off, and what happened, read from the sensor before, during and after."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from training.drawing import Plane, dot
from training.fans import fan_drawing, fan_of
from training.hindsight import HOUR, Hindsight, Stretch
from training.page import Card
from training.score_charts import span_h

WORST, OF_ONE_BIN, SAME_EVENT_H = 10, 2, 72.0
BEFORE_H, BEFORE_STEP_H, AFTER_H, STAYED_H = 36.0, 12.0, 24.0, 3.0
LASTED = 0.4  # of a step, what must be left of it
REACH_H = 0.75  # the reading that a forecast is held against may come so much later
JUMP_PCT, FALL_PCT, FLAT_PCT, SAME_PCT = 20.0, 8.0, 1.0, 8.0
SILENT_H, SILENT_STEPS = 6.0, 4.0
STATUS = {
    "stale": "the sensor was silent, and known to be",
    "cold_start": "the bin was new",
    "faulty_sensor": "the sensor was known to be faulty",
    "no_data": "nothing was known of the bin",
}


def worst_misses(rows: pd.DataFrame, count: int = WORST) -> pd.DataFrame:
    """The rows of `row_scores` with the largest CRPS, worst first; one of an event, and at most two of a bin."""
    left = rows.sort_values("crps", ascending=False, kind="stable")
    chosen: list[int] = []
    bins: list[str] = []
    while len(left) and len(chosen) < count:
        worst = left.iloc[0]
        chosen.append(left.index[0])
        bins.append(worst["bin_id"])
        apart = (left["at"] - worst["at"]).abs() > pd.Timedelta(hours=SAME_EVENT_H)
        done = bins.count(worst["bin_id"]) >= OF_ONE_BIN
        left = left[(left["bin_id"] != worst["bin_id"]) | (apart & (not done))]
    return rows.loc[chosen]


def where_worst(rows: pd.DataFrame, share: float = 0.01) -> str:
    """A sentence on which bins the worst hundredth of all forecasts belongs to."""
    worst = rows.nlargest(max(int(len(rows) * share), 10), "crps")
    counts = worst["bin_id"].value_counts()
    led = [f"{n:,} are at {bin_id}" for bin_id, n in counts.head(2).items()]
    return f"Of the {len(worst):,} worst forecasts {' and '.join(led)}."


def what_happened(miss: Mapping, stretch: Stretch) -> str:
    """The sentence for one miss: y, q50, horizon_h, status; `stretch` of its bin, hours from as_of."""
    horizon = float(miss["horizon_h"])
    known, during = stretch.between(-np.inf, 0), stretch.between(0, horizon + REACH_H)
    if not len(known.hours):
        return "Nothing was measured before."
    steps = _on_the_way(miss, stretch, known)
    facts = (_silence(known, during, horizon) + steps + _pace(miss, known, during, told=bool(steps)))[:2]
    facts = facts or _before(stretch)
    if STATUS.get(str(miss.get("status", ""))):
        facts.append(STATUS[str(miss["status"])])
    words = "; ".join(facts) or "no step stands out: noise, or many small errors"
    return words[0].upper() + words[1:] + "."


def _silence(known: Stretch, during: Stretch, horizon: float) -> list[str]:
    """Long times without a reading, before the forecast or after it."""
    least = max(SILENT_H, SILENT_STEPS * known.step_h)
    facts = [f"the newest reading was {-known.hours[-1]:.0f} h old"] if -known.hours[-1] > least else []
    gaps = np.diff(np.concatenate([[0.0], during.hours, [horizon]]))
    if gaps.max() > least:
        facts.append(f"sensor silent for {gaps.max():.0f} h on the way")
    return facts


def _on_the_way(miss: Mapping, stretch: Stretch, known: Stretch) -> list[str]:
    """A step after the forecast that lasted until its moment: up where more came than was said, down where less did."""
    here = (stretch.hours[1:] > 0) & (stretch.hours[1:] <= float(miss["horizon_h"]) + REACH_H)
    if not here.any():
        return []
    then = stretch.level[1:][here]
    before, rise = stretch.level[:-1][here], np.diff(stretch.level)[here]
    if float(miss["y"]) > float(miss["q50"]):
        lowest = np.minimum.accumulate(then[::-1])[::-1]
        highest = np.maximum.accumulate(np.maximum(before, known.level[-1]))
        lasted = np.where(lowest - highest >= LASTED * rise, rise, 0)
        best = int(np.argmax(lasted))
        if lasted[best] < JUMP_PCT:
            return []
        step = int(np.flatnonzero(here)[best])
        apart = _apart(float(np.diff(stretch.hours)[step]))
        return [f"a jump of {rise[best]:.0f} points between two readings {apart}{_after(stretch, step)}"]
    highest = np.maximum.accumulate(then[::-1])[::-1]
    lowest = np.minimum.accumulate(np.minimum(before, known.level[-1]))
    lasted = np.where((highest - lowest <= LASTED * rise) & ~stretch.emptied[1:][here], rise, 0)
    worst, sunk = int(np.argmin(lasted)), known.level[-1] - then[-1]
    if lasted[worst] <= -JUMP_PCT:
        return [f"the level fell by {-rise[worst]:.0f} points at once, not taken for an emptying"]
    touched = (
        f", and showed {then.min():.0f} in between" if then.min() <= min(then[-1], known.level[-1]) - JUMP_PCT else ""
    )
    if sunk >= FALL_PCT:
        return [f"the level fell by {sunk:.0f} points without an emptying{touched}"]
    return [f"the sensor showed {then.min():.0f} in between, not taken for an emptying"] if touched else []


def _before(stretch: Stretch) -> list[str]:
    """The largest step in the twelve hours before the forecast, for where nothing else tells."""
    rise, at = np.diff(stretch.level), stretch.hours[1:]
    here = (at > -BEFORE_STEP_H) & (at <= 0)
    if not here.any():
        return []
    most = int(np.argmax(np.where(here, np.abs(rise), 0)))
    if abs(rise[most]) < JUMP_PCT:
        return []
    ago = f"{-at[most]:.0f} h before" if at[most] <= -0.5 else "just before"
    if rise[most] > 0:
        return [f"{ago} it jumped by {rise[most]:.0f} points{_after(stretch, most)}"]
    what = "an emptying" if stretch.emptied[1:][most] else "not taken for an emptying"
    return [f"{ago} the level fell by {-rise[most]:.0f} points, {what}"]


def _apart(hours: float) -> str:
    if hours < 2 / 60:
        return "within two minutes"
    return f"{hours * 60:.0f} minutes apart" if hours < 1.5 else f"{hours:.0f} h apart"


def _after(stretch: Stretch, step: int) -> str:
    """Whether a jump between the readings `step` and `step` + 1 returned, and to where."""
    low, rise = stretch.level[step], stretch.level[step + 1] - stretch.level[step]
    later = stretch.hours[step + 2 :] - stretch.hours[step + 1]
    back = np.flatnonzero(stretch.level[step + 2 :] <= low + LASTED * rise)
    if not len(back):
        return ", that stayed" if len(later) and later[-1] >= STAYED_H else ""
    hours = f"{later[back[0]]:.0f} h later" if later[back[0]] >= 1 else "within the hour"
    same = abs(stretch.level[step + 2 :][back[0]] - low) <= SAME_PCT and low > SAME_PCT
    cut = stretch.emptied[step + 2 :][: back[0] + 1].any()
    return f", that stayed until an emptying {hours}" if cut and not same else f", that returned {hours}"


def _pace(miss: Mapping, known: Stretch, during: Stretch, *, told: bool) -> list[str]:
    """What rose against what was expected, and a start from another level than the last reading's."""
    now, horizon = float(known.level[-1]), float(miss["horizon_h"])
    rose, expected = float(miss["y"]) - now, float(miss["q50"]) - now
    facts = []
    if expected <= -FALL_PCT:
        facts.append(f"the last reading, {now:.0f}, was not believed")
    elif rose - expected >= JUMP_PCT / 2:
        most = np.diff(np.concatenate([[now], during.level])).max(initial=0)
        if not told or most < 0.7 * rose:  # else the jump says it
            facts.append(f"it rose {rose:.0f} points in {span_h(horizon)} where {max(expected, 0):.0f} were expected")
    elif expected - rose >= JUMP_PCT / 2:
        if len(during.level) and np.ptp(during.level) <= FLAT_PCT:
            facts.append(f"the reading stayed at {during.level[-1]:.0f} where {expected:.0f} more were expected")
        elif rose > -FALL_PCT:
            did = f"it rose only {rose:.0f} points" if rose >= 1 else "it did not rise"
            facts.append(f"{did} where {expected:.0f} points were expected")
    return facts


def miss_cards(rows: pd.DataFrame, forecasts: pd.DataFrame, past: Hindsight) -> list[Card]:
    """A card for each of the worst misses: what was said, what came, and what happened.

    rows: `row_scores` with stream, status and full_pct; forecasts: the contract's table of the same bins.
    """
    worst = worst_misses(rows)
    quantiles = forecasts[["bin_id", "as_of", "at", "q10", "q50", "q90"]]
    told = worst.merge(quantiles, on=["bin_id", "as_of", "at"], how="left")
    asked = forecasts.groupby("bin_id")
    cards = []
    for place, miss in enumerate(told.to_dict("records")):
        horizon, as_of = float(miss["horizon_h"]), miss["as_of"]
        stretch = past.stretch(miss["bin_id"], as_of, BEFORE_H, horizon + AFTER_H)
        words = what_happened(miss, stretch)
        plane = Plane((-BEFORE_H, horizon + AFTER_H), (0, 102), height=150, left=30, top=20, bottom=24)
        fan = fan_of(asked.get_group(miss["bin_id"]), as_of, as_of, stretch, horizon + AFTER_H)
        midnights = pd.date_range((as_of - BEFORE_H * HOUR).ceil("D"), as_of + (horizon + AFTER_H) * HOUR, freq="D")
        thin = midnights[:: max(1, len(midnights) // 4)]
        ticks = [((day - as_of) / HOUR, f"{day:%-d %b}") for day in thin if (day - as_of) / HOUR < plane.x[1] - 4]
        drawn = fan_drawing(stretch, [fan] if len(fan.hours) else [], plane, ticks, words, miss["full_pct"])
        mark = dot(plane, horizon, float(miss["y"]), "bad", f"came: {miss['y']:.0f}", 6)
        said = f"said {miss['q50']:.0f} ({miss['q10']:.0f}-{miss['q90']:.0f})" if miss["q50"] >= 0 else "said nothing"
        tag = f"{miss['stream']}, {span_h(horizon)} from {as_of:%-d %b %Y %H:%M} UTC: {said}, came {miss['y']:.0f}"
        cards.append(Card(f"{place + 1}. {miss['bin_id']}", drawn.replace("</svg>", f"{mark}</svg>"), words, tag))
    return cards
