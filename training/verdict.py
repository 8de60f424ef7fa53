"""Whether a challenger may take the champion's place, and the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from training.contest import Contest
from training.promotion_settings import PromotionSettings
from training.ratios import ratios
from training.registry import CHALLENGER, CHAMPION
from training.replay import Replay
from training.scores import reliability
from training.slices import TITLES
from training.stage import WEEK_H

TITLES_OF_SLICES = TITLES | {"horizon_h": "Horizon", "known_for": "Cold start"}
COLUMNS = ("check", "of", "windows", "champion", "challenger", "change", "low", "high", "limit", "passed", "words")


@dataclass(frozen=True)
class Check:
    """One question to the challenger, with its numbers.

    check: what is measured; of: the slice; windows: how many, bin-weeks in the replay; change: the challenger against
    the champion, a share of the champion's with its bounds low and high, else a difference; limit, words: what was
    allowed and what was found, in words.
    """

    check: str
    of: str
    windows: int
    champion: float
    challenger: float
    change: float
    low: float
    high: float
    limit: str
    passed: bool
    words: str


@dataclass(frozen=True)
class Verdict:
    """The checks of a challenger; `promoted` where it passed them all.

    start, end: of the windows; judged: who stood for challenger and champion, in words; slices: as of `ratios`.
    """

    checks: tuple[Check, ...]
    start: pd.Timestamp
    end: pd.Timestamp
    judged: tuple[str, str]
    slices: pd.DataFrame = field(repr=False, compare=False)

    @property
    def promoted(self) -> bool:
        """Whether every check was passed."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against the challenger, in words."""
        return tuple(check.words for check in self.checks if not check.passed)

    @property
    def table(self) -> pd.DataFrame:
        """A row per check: COLUMNS."""
        return pd.DataFrame([[getattr(check, name) for name in COLUMNS] for check in self.checks], columns=[*COLUMNS])

    @property
    def metrics(self) -> dict[str, float]:
        """Flat names for MLflow; what is not finite is left out."""
        named: dict[str, float] = {"checks": len(self.checks), "checks_failed": len(self.reasons)}
        for check in self.checks:
            place = f"{check.check}/{check.of}".replace("+", " and more").replace("%", "")
            for name in ("champion", "challenger", "change", "low", "high"):
                named[f"{place}/{name}"] = float(getattr(check, name))
        return {name: value for name, value in named.items() if np.isfinite(value)}


def judge(met: Contest, judged: tuple[str, str], settings: PromotionSettings) -> Verdict:
    """Hold what two rivals did on the same windows against the rule; `judged`: who they are, in words."""
    table = ratios(
        met.challenger,
        met.champion,
        met.groups(),
        draws=settings.draws,
        confidence=settings.confidence,
        least_blocks=settings.least_blocks,
        rng=np.random.default_rng(settings.seed),
    )
    all_, *slices = table.to_dict("records")
    streams = [row for row in slices if row["slice"] == "stream"]
    real = ~met.played
    checks = (
        _overall(all_, settings),
        *(_slice(row, settings) for row in slices),
        *(_coverage(row, settings) for row in (all_, *streams)),
        _p_full(met.challenger[real], met.champion[real], settings),
        _replay(met.replay, settings),
    )
    return Verdict(checks, met.start, met.end, judged, table)


def _overall(row: Mapping, settings: PromotionSettings) -> Check:
    change, high = row["ratio"] - 1, row["high"] - 1
    equal, sure = change <= settings.same, high <= settings.overall_margin
    said = f"CRPS over all windows {changed(change)}"
    words = f"{said}: no better, and by more than two seeds differ" if not equal else said
    if equal and not sure:
        words = (
            f"{said}, but it may be worse by {high:.1%}: too few windows to tell"
            if np.isfinite(high)
            else f"{said}, on fewer than {settings.least_blocks} bin-weeks: too few to tell"
        )
    limit = f"<= {settings.same:+.1%}, surely <= {settings.overall_margin:+.0%}"
    return _check("CRPS", "all windows", row, limit, equal and sure, words)


def _slice(row: Mapping, settings: PromotionSettings) -> Check:
    of = f"{TITLES_OF_SLICES[row['slice']].lower().removesuffix(', %')} {row['value']}"
    change, low = row["ratio"] - 1, row["low"] - 1
    worse = bool(low > settings.slice_margin)
    words = f"CRPS at {of} {changed(change)}"
    if worse:
        words += f", surely by more than {settings.slice_margin:.0%} (at least {low:.1%})"
    elif not np.isfinite(low):
        words += f", on {row['blocks']} bin-weeks: too few to tell"
    return _check("CRPS", of, row, f"not surely > {settings.slice_margin:+.0%}", not worse, words)


def _coverage(row: Mapping, settings: PromotionSettings) -> Check:
    """Of all windows by what was found; of a stream, with few windows, only where it is surely outside."""
    surely = row["slice"] == "stream"
    low, high = settings.stream_coverage if surely else settings.coverage
    most, least = (row["cover_high"], row["cover_low"]) if surely else (row["cover"], row["cover"])
    inside = not np.isfinite(most) or (most >= low and least <= high)
    before, now = (max(low - row[name], row[name] - high, 0.0) for name in ("cover_before", "cover"))
    passed = inside or now <= before + settings.slack
    of = f"stream {row['value']}" if surely else "all windows"
    sure = f"{row['cover_low']:.0%} to {row['cover_high']:.0%}, " if np.isfinite(most) else ""
    words = f"80% intervals of {of} hold {row['cover']:.0%} ({sure}the champion's {row['cover_before']:.0%})"
    words += "" if inside else f", {'surely ' if surely else ''}outside {low:.0%} to {high:.0%}"
    words += "" if inside or not passed else ", no further than the champion's"
    return Check(
        "coverage", of, row["n"], row["cover_before"], row["cover"], row["cover"] - row["cover_before"], np.nan, np.nan,
        f"{low:.0%} to {high:.0%}, or as the champion", bool(passed), words,
    )  # fmt: skip


def _p_full(ours: pd.DataFrame, theirs: pd.DataFrame, settings: PromotionSettings) -> Check:
    now, before = (_calibration_error(rows) for rows in (ours, theirs))
    passed = now <= max(settings.p_full_error, before + settings.slack)
    words = f"probabilities of being full are off by {now:.3f} in the mean (the champion's by {before:.3f})"
    return Check(
        "p_full error", "all windows", len(ours), before, now, now - before, np.nan, np.nan,
        f"<= {settings.p_full_error:g}, or as the champion", passed, words,
    )  # fmt: skip


def _replay(found: Replay | str, settings: PromotionSettings) -> Check:
    """Emptyings per bin-week at equal overflow; what could not be replayed speaks against nobody, and is told.

    More than the margin is too many, unless so few bin-weeks tell that it may as well be as many fewer.
    """
    margin = settings.replay_margin
    limit = f"<= {margin:+.0%} or unsure, not surely > 0%"
    if isinstance(found, str):
        nothing = (np.nan,) * 5
        return Check("replay", "emptyings a week", 0, *nothing, limit, True, f"Not replayed: {found}")
    change = found.against(CHALLENGER, CHAMPION)
    surely = change.low > 0
    passed = not surely and not (change.estimate > margin and not change.low < -margin)
    weeks = round(float(found.hours.sum()) / WEEK_H)
    words = f"by replay {change.estimate:+.1%} emptyings at equal overflow, on {weeks:,} bin-weeks"
    if surely:
        words += f", surely more (at least {change.low:+.1%})"
    elif passed and change.estimate > margin:
        words += f", bounds {change.low:+.1%} to {change.high:+.1%}: too few to tell"
    return Check(
        "replay", "emptyings a week", weeks, found.needed(CHAMPION), found.needed(CHALLENGER), change.estimate,
        change.low, change.high, limit, passed, words,
    )  # fmt: skip


def _check(check: str, of: str, row: Mapping, limit: str, passed: bool, words: str) -> Check:
    return Check(
        check, of, row["n"], row["champion"], row["challenger"], row["ratio"] - 1, row["low"] - 1,
        row["high"] - 1, limit, bool(passed), words,
    )  # fmt: skip


def _calibration_error(rows: pd.DataFrame) -> float:
    """Mean distance of p_full from how often it came true, by tenths of p_full (Naeini et al. 2015)."""
    table = reliability(rows)
    error = (table["n"] * (table["p_mean"] - table["event_rate"]).abs()).sum()
    return float(error / max(table["n"].sum(), 1))


def changed(change: float) -> str:
    """A change of CRPS in words."""
    return f"{'worse' if change > 0 else 'better'} by {abs(change):.1%}" if abs(change) >= 5e-4 else "the same"
