from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from data.health import RECENT_DAYS
from data.history import History
from data.sequences import HOUR_US, Archive, microsecond, microseconds
from training.accumulation import Accumulation
from training.analogs import Analogs
from training.calendar import holiday_days
from training.curriculum import plan
from training.departures import Departures
from training.elasticities import Elasticities
from training.emptied_since import EmptiedSince
from training.ensemble import Ensemble, even
from training.examples import Asks, chunks, learn_examples
from training.forecast import FillForecast
from training.grid import HORIZONS_H, LEVELS, MEDIAN, NEAR_H
from training.left_alone import LeftAlone
from training.lookup import UNKNOWN
from training.model_card import fitted_card
from training.practice import known_by
from training.profiles import FillRateProfiles
from training.prospects import prospects
from training.recalibration import Recalibration
from training.settings import ModelSettings
from training.situations import Situations
from training.threads import beside_each_other, openmp_threads

OWN_EVIDENCE_H = 7 * 24.0
BACK_H = 24.0  # a bin heard again for less, after weeks of silence, has a profile, but no pace
BLOCK_DAYS = 28
MOST_HELD_BACK = 60_000  # rows that teach weights and recalibration
NO_WEATHER = "no weather forecast is known for the hours ahead, which are taken to be as usual"
TOLD_EMPTIED, PROBABLE = 0.1, 0.5  # from here on reasons say that a bin was possibly, or probably, emptied meanwhile


def _quiet(_: str) -> None:
    return None


@dataclass(frozen=True)
class FillModel:
    """Forecasts the fill of bins: per-bin profiles, a pooled ensemble of quantiles and a recalibration.

    `forecast` is the only road to a forecast; it needs the last HISTORY_DAYS days before the moment it is made.
    """

    profiles: FillRateProfiles
    ensemble: Ensemble
    recalibration: Recalibration
    settings: ModelSettings
    streams: tuple[str, ...]
    feature_names: tuple[str, ...]
    accumulation: Accumulation
    left_alone: LeftAlone
    emptied_since: EmptiedSince
    card: dict[str, Any]
    elasticities: Elasticities | None = None
    """None where there was no weather to learn from."""

    HISTORY_DAYS: ClassVar[float] = RECENT_DAYS

    @classmethod
    def fit(
        cls,
        history: History,
        *,
        until: pd.Timestamp | None = None,
        seed: int = 0,
        settings: ModelSettings | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> FillModel:
        """Learn from all that was heard by `until` (default: everything). Raises InputError for too little history."""
        say = progress or _quiet
        chosen = (settings or ModelSettings()).model_copy(update={"seed": seed})
        past, end = known_by(history, until)
        rng = np.random.default_rng(chosen.seed)
        lesson = plan(past, end, chosen, rng)
        say(f"profiles of {len(lesson.profiles.bin_ids_):,} bins")
        streams = tuple(sorted(set(lesson.asks.streams) - {UNKNOWN}))
        holidays = _holidays(chosen, past, end)
        codes = pd.Index(streams).get_indexer(pd.Index(lesson.asks.streams))
        examples = learn_examples(
            past, lesson.asks, lesson.table, lesson.resistance, lesson.seasons, codes, NEAR_H[1:], holidays,
            chosen.threads, say,
        )  # fmt: skip
        ids = lesson.profiles.bin_ids_
        left_alone = LeftAlone.learn(examples, ids)
        span = (int(examples.as_of.min()), int(examples.as_of.max())) if len(examples.rise) else (0, 0)
        analogs = Analogs.learn(examples, ids)
        early = Analogs.learn(examples.take(np.flatnonzero(_taught(examples.as_of, span))), ids)
        examples = examples.sample(chosen.examples, rng).require(
            f"{len(past.readings):,} readings of {len(ids):,} bins"
        )
        elasticities = None
        if len(past.weather):
            elasticities = Elasticities.learn(examples, len(ids))
            examples = elasticities.expecting(examples, lesson.resistance)
        taught = _taught(examples.as_of, span)
        known = examples.take(np.flatnonzero(taught))
        late = examples.take(np.flatnonzero(~taught)).sample(MOST_HELD_BACK, rng)
        first, told = Ensemble.fit(
            known, early, chosen, even(len(streams)),
            lambda step: say(f"first fit, without the weeks held back: {step}"),
        ).weighed(late)  # fmt: skip
        recalibration = Recalibration.learn(told, late)
        accumulation = Accumulation.learn(past, lesson, microsecond(end), examples, rng)
        ensemble = Ensemble.fit(examples, analogs, chosen, first.weights, lambda step: say(f"final fit: {step}"))
        emptied_since = EmptiedSince.learn(past, microsecond(end), rng)
        card = fitted_card(past, end, chosen, examples, lesson.profiles)
        names = examples.features.names
        return cls(
            lesson.profiles, ensemble, recalibration, chosen, streams, names, accumulation, left_alone, emptied_since,
            card, elasticities,
        )  # fmt: skip

    @property
    def reads_weather(self) -> bool:
        """Whether it learned with a weather table; asked without one it takes the weather for usual, and says so."""
        return self.elasticities is not None

    @property
    def version(self) -> str:
        """How a forecast names its model: name and version of the registry, or the data it was trained until."""
        if "version" in self.card:
            return f"{self.card['name']}/{self.card['version']}"
        return f"unregistered, trained until {self.card['trained_until']}"

    def forecast(self, history: History, as_of: pd.Timestamp, bin_ids: Sequence[str] | None = None) -> FillForecast:
        """The forecast of these bins (default: all of the bins table) as known at `as_of`, in the order asked."""
        ids = history.bins.unique["bin_id"].to_numpy(object) if bin_ids is None else np.array(bin_ids, dtype=object)
        return self._forecast(history, Archive.of(history), ids, np.full(len(ids), microsecond(as_of)))

    def forecast_windows(self, history: History, windows: pd.DataFrame, *, unattended: bool = False) -> pd.DataFrame:
        """The contract's forecasts table for windows (bin_id, as_of, at): a row each, in their order.

        Of windows left alone, or `unattended`: if nobody comes (see `FillForecast.table`). `reasons` say why the
        status is what it is, and what else there is to know.
        """
        archive = Archive.of(history)
        pair = windows.groupby(["bin_id", "as_of"], sort=False).ngroup().to_numpy()
        first = np.unique(pair, return_index=True)[1]
        ids = windows["bin_id"].to_numpy(object)[first]
        as_of = microseconds(windows["as_of"])[first]
        at = microseconds(windows["at"]).astype("datetime64[us]")
        order = np.argsort(pair, kind="stable")
        tables = []
        for low in range(0, len(first), 20_000):
            high = min(low + 20_000, len(first))
            some = self._forecast(history, archive, ids[low:high], as_of[low:high])
            rows = order[np.searchsorted(pair[order], low) : np.searchsorted(pair[order], high)]
            told = some.take(pair[rows] - low).table(at[rows], unattended=unattended).set_axis(rows)
            why = pd.array(["; ".join(reasons) for reasons in some.reasons], dtype="str")
            tables.append(told.assign(reasons=why.take(pair[rows] - low)))
        if not tables:
            nothing = self._forecast(history, archive, ids, as_of).table(at)
            return nothing.assign(reasons=pd.Series(dtype="str"))
        return pd.concat(tables).sort_index().reset_index(drop=True)

    def save(self, folder: Path) -> None:
        """Write the artifact; see `training.artifact.save`."""
        from training.artifact import save

        save(self, folder)

    @classmethod
    def load(cls, folder: Path) -> FillModel:
        """Read the artifact; see `training.artifact.load`. Raises InputError for a foreign or broken folder."""
        from training.artifact import load

        return load(folder)

    # ------------------------------------------------------------ the road

    def _forecast(self, history: History, archive: Archive, ids: np.ndarray, as_of: np.ndarray) -> FillForecast:
        known = history.bins.unique.reindex(ids)
        streams = known["stream"].fillna("mixed").to_numpy(object)
        sites = known["site_kind"].fillna(UNKNOWN).to_numpy(object)
        zones = known["timezone"].fillna("UTC").to_numpy(object)
        full = known["full_pct"].fillna(95.0).clip(upper=100).to_numpy(dtype=float)  # no reading counts for more
        named = known["bin_id"].notna().to_numpy()
        code = pd.Index(self.profiles.bin_ids_).get_indexer(pd.Index(ids))
        days, profile = np.full(len(ids), RECENT_DAYS), self.profiles.rows(ids, streams, sites)
        asks = Asks(ids, streams, sites, zones, as_of, as_of, days, profile, code)
        if not len(asks):
            empty = np.zeros((0, len(HORIZONS_H), len(LEVELS)))
            nothing = np.zeros(0, dtype="datetime64[us]")
            return FillForecast(
                ids, nothing, HORIZONS_H, LEVELS, empty, empty, ids, (), nothing, full, full, full, self.version
            )

        def part(rows: slice) -> FillForecast:
            return self._part(history, archive, asks.take(rows), full[rows], named[rows])

        threads = openmp_threads()
        return FillForecast.joined(list(beside_each_other(part, chunks(archive, asks, threads), threads)))

    def _part(
        self, history: History, archive: Archive, asks: Asks, full_pct: np.ndarray, named: np.ndarray
    ) -> FillForecast:
        """The forecast of these asks; `named` (m,) bool: bins of the bins table."""
        found, skies, told = prospects(self, history, archive, asks)
        left_alone, values = np.full((2, len(asks), len(HORIZONS_H), len(LEVELS)), np.nan)
        left_alone[told.row] = told.left_alone(self.accumulation.resistance)
        values[told.row] = told.unattended(self.accumulation.resistance)
        status, reasons = self._status(asks, found, named, skies)
        for i in np.flatnonzero(told.emptied >= TOLD_EMPTIED).tolist():  # only over bins that were just visited
            how = "probably" if told.emptied[i] >= PROBABLE else "possibly"
            why = f"{how} emptied since its newest reading ({told.emptied[i]:.0%}), as at this hour of past weeks"
            reasons[told.row[i]] = (*reasons[told.row[i]], why)
        measured = np.where(found.health.readings > 0, found.health.last_measured, np.iinfo(np.int64).min)
        return FillForecast(
            bin_ids=asks.bin_ids,
            as_of=asks.as_of.astype("datetime64[us]"),
            horizons_h=HORIZONS_H,
            levels=LEVELS,
            values=values,
            left_alone=left_alone,
            status=status,
            reasons=tuple(reasons),
            last_reading_at=measured.astype("datetime64[us]"),
            fill_now_pct=np.where(np.isnan(found.level), np.nan, np.clip(values[:, 0, MEDIAN], 0, 100)),
            full_pct=full_pct,
            step_pct=found.step_pct,
            model_version=self.version,
        )

    def _status(
        self, asks: Asks, found: Situations, named: np.ndarray, skies: Departures | None
    ) -> tuple[np.ndarray, list[tuple[str, ...]]]:
        """(m,) status of each ask and its reasons."""
        status, reasons = found.health.status, found.health.reasons()
        own = asks.code >= 0
        evidence = np.where(own, self.profiles.evidence_h_[np.maximum(asks.code, 0)], 0.0)
        cold = (status == "ok") & (evidence < OWN_EVIDENCE_H)
        unknown = ~named & (status == "no_data")
        status[cold], status[unknown] = "cold_start", "unknown_bin"
        for i in np.flatnonzero(cold).tolist():  # only over bins that are new
            stream = asks.streams[i]
            profile = f"the profile of stream {stream} is used"
            if stream not in self.streams:
                profile = f"the training saw no stream {stream}, so the city's profile is used"
            reasons[i] = (f"{evidence[i]:.0f} h of own history when the model was fitted; {profile}",)
        heard_h = np.nan_to_num(found.health.step_h) * (found.health.readings - 1)
        for i in np.flatnonzero((status == "ok") & (heard_h < BACK_H)).tolist():  # only over bins that are back
            reasons[i] = (
                f"readings of the last {RECENT_DAYS:.0f} days span {heard_h[i]:.0f} h: its pace of late is not known",
            )
        if skies is not None and not skies.foretold.all():
            foretold = skies.foretold.tolist()
            reasons = [why if known else (*why, NO_WEATHER) for why, known in zip(reasons, foretold, strict=True)]
        for i in np.flatnonzero(unknown).tolist():  # only over bins that nobody knows
            reasons[i] = (f"the bins table lacks this bin, and no reading of the last {RECENT_DAYS:.0f} days names it",)
        return status, reasons


def _holidays(settings: ModelSettings, past: History, end: pd.Timestamp) -> np.ndarray:
    start = past.readings.frame["measured_at"].min()
    day = 24 * HOUR_US
    return holiday_days(settings.country, microsecond(start) // day - int(RECENT_DAYS), microsecond(end) // day + 30)


def _taught(as_of: np.ndarray, span: tuple[int, int]) -> np.ndarray:
    """(k,) bool: moments in the first of every two blocks of four weeks of the `span`, first and last moment.

    The others, of all seasons, are held back.
    """
    block = min(BLOCK_DAYS * 24 * HOUR_US, (span[1] - span[0]) // 2 + 1)
    return np.asarray((as_of - span[0]) // block % 2 == 0)
