"""What would have been known, and what would have lain in the bins, had they been emptied at other times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from data.emptyings import Emptyings
from data.health import RECENT_DAYS
from data.history import History
from data.readings import Readings
from data.sequences import HOUR_US, microsecond, microseconds, ragged
from training.deposits import Deposits
from training.known import Versions
from training.opportunities import NEVER, Opportunities

KEPT_US = int((RECENT_DAYS + 1) * 24 * HOUR_US)
LATEST = 8  # of so many rows the newest three that were heard make the level: some arrive late
TOP_PCT = 100.0


@dataclass(frozen=True)
class Scene:
    """What all policies of a replay share: the real history, what was thrown in, and when bins can be emptied.

    bin_ids, timezones, full_pct (b,); start_us: until then everything is as it was. Bins are those with readings.
    """

    history: History
    deposits: Deposits
    opportunities: Opportunities
    bin_ids: np.ndarray
    timezones: np.ndarray
    full_pct: np.ndarray
    start_us: int

    @cached_property
    def versions(self) -> Versions:
        """All readings; their bins are numbered as those of the scene."""
        return Versions.of(self.history.readings)

    @cached_property
    def thrown(self) -> np.ndarray:
        """(n,) points thrown in until each reading."""
        return self.deposits.until(self.versions.lines.code, self.versions.lines.time_us)

    @cached_property
    def error(self) -> np.ndarray:
        """(n,) percent by which each reading differs from what was in the bin: the sensor's own."""
        lines = self.versions.lines
        was = np.minimum(self.deposits.level(lines.code, lines.time_us), TOP_PCT)
        return lines.value - was

    @cached_property
    def interval(self) -> np.ndarray:
        """(n,) how many opportunities of its bin lie before each reading."""
        lines, at_us = self.versions.lines, self.opportunities.at_us
        interval = np.zeros(len(lines.code), dtype=np.int64)
        for k in range(at_us.shape[1] - 1):  # opportunities, all bins and readings at once
            interval += (at_us[:, k] < NEVER)[lines.code] & (at_us[:, k][lines.code] <= lines.time_us)
        return interval

    @cached_property
    def first_base(self) -> np.ndarray:
        """(b,) points in the bin less the sum thrown in, at the start."""
        codes = np.arange(len(self.bin_ids))
        return self.deposits.base_at(codes, np.full(len(codes), self.start_us))

    @cached_property
    def emptied_before(self) -> np.ndarray:
        """(b,) microseconds of the last emptying before the start; the bin's first reading where there was none."""
        code, time_us, _ = self.deposits.emptyings()
        lines = self.deposits.lines
        last = lines.time_us[np.minimum(lines.bounds[:-1], len(lines.time_us) - 1)].copy()
        early = time_us < self.start_us
        np.maximum.at(last, code[early], time_us[early])
        return last


@dataclass(frozen=True)
class Moment:
    """One decision of a policy about r bins: what it may know of them, in the world that its own past has made.

    number: the how-manieth opportunity; rows (r,) bins; decided_us, at_us, next_us (r,): when it is decided, when the
    bin would be emptied, and when it could be emptied next. base (b, k + 1): points in bins less the sum thrown in,
    before each opportunity so far; picks (b, k): where bins were emptied; usual_h (r,): hours that a bin takes to fill.
    """

    scene: Scene
    number: int
    rows: np.ndarray
    decided_us: np.ndarray
    at_us: np.ndarray
    next_us: np.ndarray
    base: np.ndarray
    picks: np.ndarray
    usual_h: np.ndarray

    @property
    def bin_ids(self) -> np.ndarray:
        """(r,) the bins asked."""
        return self.scene.bin_ids[self.rows]

    @property
    def full_pct(self) -> np.ndarray:
        """(r,) percent at which they count as full."""
        return self.scene.full_pct[self.rows]

    @cached_property
    def emptied_us(self) -> np.ndarray:
        """(r,) when each was emptied last, or will be by what is decided already."""
        picks = self.picks[self.rows]
        at_us = np.where(picks, self.scene.opportunities.at_us[self.rows, : self.number], -1)
        return np.maximum(self.scene.emptied_before[self.rows], at_us.max(axis=1, initial=-1))

    @property
    def overdue(self) -> np.ndarray:
        """(r,) bool: it would usually be full by the next opportunity. The last resort where no sensor speaks."""
        return (self.next_us - self.emptied_us) / HOUR_US >= self.usual_h

    @cached_property
    def newest(self) -> tuple[np.ndarray, np.ndarray]:
        """(r,) percent, the median of the last three readings since the bin was emptied, and (r,) when the last was.

        NaN without a reading in four weeks. A bin emptied after its last reading, or about to be, holds what is left.
        """
        lines = self.scene.versions.lines
        high = lines.before(self.rows, self.decided_us, inclusive=True)
        place = high[:, None] - 1 - np.arange(LATEST)
        row = np.maximum(place, 0)
        usable = (place >= lines.bounds[self.rows][:, None]) & (
            self.scene.versions.received_us[row] <= self.decided_us[:, None]
        )
        usable &= lines.time_us[row] > np.maximum(self.emptied_us, self.decided_us - KEPT_US)[:, None]
        known = np.where(usable, self._told(row), np.nan)
        rank = np.cumsum(usable, axis=1)
        level = np.full(len(self.rows), np.nan)
        some = usable.any(axis=1)
        level[some] = np.nanmedian(np.where(rank <= 3, known, np.nan)[some], axis=1)
        when = np.where(some, lines.time_us[row[np.arange(len(row)), usable.argmax(axis=1)]], self.emptied_us)
        fresh = ~some & (self.emptied_us > self.decided_us - KEPT_US)
        level = np.where(fresh, self.scene.deposits.left_pct[self.rows], level)
        return level, np.minimum(when, self.decided_us)

    @cached_property
    def history(self) -> History:
        """The last four weeks as they would have been known: readings heard, and emptyings as crews report them."""
        lines, versions = self.scene.versions.lines, self.scene.versions
        low = lines.before(self.rows, self.decided_us - KEPT_US, inclusive=False)
        row, owner = ragged(low, lines.before(self.rows, self.decided_us, inclusive=True))
        heard = versions.received_us[row] <= self.decided_us[owner]
        row = row[heard]
        row = row[np.argsort(lines.code[row], kind="stable")]
        frame = pd.DataFrame(
            {
                "bin_id": self.scene.history.readings.frame["bin_id"].take(row).to_numpy(),
                "measured_at": _utc(lines.time_us[row]),
                "received_at": _utc(versions.received_us[row]),
                "fill_pct": self._told(row),
            }
        ).astype({"bin_id": "str"})
        return History(Readings(frame), self._emptyings(), self.scene.history.bins, self.scene.history.weather)

    def _told(self, row: np.ndarray) -> np.ndarray:
        """Percent that the readings `row` (any shape) would have shown: what would be in the bin, and their error."""
        lines = self.scene.versions.lines
        code = lines.code[row]
        base = self.base[code, np.minimum(self.scene.interval[row], self.number)]
        lies = self.scene.deposits.shown(code, base + self.scene.thrown[row])
        told = np.minimum(lies, TOP_PCT) + self.scene.error[row]
        return np.where(lines.time_us[row] < self.scene.start_us, lines.value[row], np.clip(told, 0.0, TOP_PCT))

    def _emptyings(self) -> Emptyings:
        """Those reported before the start, and the policy's own; one still to come counts as if it were made now."""
        scene, decided = self.scene, np.full(len(self.scene.bin_ids), -1)
        decided[self.rows] = self.decided_us
        bins, k = np.nonzero(self.picks)
        at_us = scene.opportunities.at_us[bins, k]
        asked = (decided[bins] >= 0) & (at_us > decided[bins] - KEPT_US)
        bins, at_us = bins[asked], np.minimum(at_us[asked], decided[bins[asked]])
        own = pd.DataFrame(
            {
                "bin_id": pd.Series(scene.bin_ids[bins], dtype="str"),
                "emptied_at": _utc(at_us),
                "received_at": _utc(at_us),
                "fill_before_pct": np.nan,
                "fill_after_pct": scene.deposits.left_pct[bins],
                "source": pd.Series(["reported"] * len(bins), dtype="str"),
                "probability": np.nan,
            }
        )
        told = scene.history.emptyings.frame
        old = (microseconds(told["emptied_at"]) < scene.start_us) & (
            microseconds(told["received_at"]) <= self.decided_us.min()
        )
        if not old.any():
            return Emptyings(own.drop_duplicates(["bin_id", "emptied_at"]))
        both = pd.concat([told[old], own], ignore_index=True)
        return Emptyings(both.sort_values(["bin_id", "emptied_at"], kind="stable", ignore_index=True))


def scene_of(history: History, deposits: Deposits, opportunities: Opportunities, start: pd.Timestamp) -> Scene:
    """The scene of the bins that `deposits` knows, which must be those with readings, in the order of their ids."""
    ids = deposits.lines.bin_ids.to_numpy(object)
    known = history.bins.unique.reindex(ids)
    zones = known["timezone"].fillna("UTC").to_numpy(object)
    full = known["full_pct"].fillna(95.0).to_numpy(float)
    return Scene(history, deposits, opportunities, ids, zones, full, microsecond(start))


def _utc(moments: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(moments.astype("datetime64[us]")).tz_localize("UTC")
