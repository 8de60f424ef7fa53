"""A simulation: one city over some days, with what its sensors tell and the truth beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import ValidationError

from data.city import City, Rates, found_city, true_rates
from data.city_settings import CitySettings
from data.city_weather import CityWeather, simulate_weather
from data.errors import InputError
from data.levels import Levels, draw_deposits, fill_bins
from data.rounds import Rounds, plan_rounds
from data.sensors import Reports, distance_mm, report

__all__ = ["CitySettings", "Simulation", "simulate", "simulate_to"]

INSTANT = pa.timestamp("us", tz="UTC")
CHUNK_ROWS = 1_000_000
"""Tables are built and written for so many rows at a time, whole bins each."""


@dataclass(frozen=True)
class Simulation:
    """A simulated city: tables as a user would have them, and the truth apart from them."""

    settings: CitySettings
    city: City
    weather: CityWeather
    rates: Rates
    rounds: Rounds
    levels: Levels
    reports: Reports

    @property
    def bins(self) -> pd.DataFrame:
        """The contract's bins table."""
        return self.city.bins

    @property
    def visits(self) -> pd.DataFrame:
        """Planned visits: bin_id, planned_at. What happened is not in it."""
        return self.rounds.visits

    @property
    def readings(self) -> pd.DataFrame:
        """What was heard: bin_id, measured_at, received_at, fill_pct, distance_mm; by bin and time."""
        return pa.concat_tables(self._readings()).to_pandas()

    @property
    def true_levels(self) -> pd.DataFrame:
        """The truth: bin_id, at, level, rate_pct_per_h, shock, event (see `data.city.Rates`); by bin and hour.

        `level` is at the hour mark; rate, shock and event hold for the hour that begins there. The rate is
        demand: it neither stops at the rim nor includes shock and event.
        """
        return pa.concat_tables(self._true_levels()).to_pandas()

    @property
    def true_emptyings(self) -> pd.DataFrame:
        """The truth: bin_id, emptied_at, fill_before_pct, fill_after_pct, partial; by bin and time."""
        order = np.lexsort((self.rounds.emptied_s, self.rounds.bin_index))
        return pd.DataFrame(
            {
                "bin_id": self.bins["bin_id"].to_numpy()[self.rounds.bin_index[order]],
                "emptied_at": self._start + pd.to_timedelta(self.rounds.emptied_s[order], unit="s"),
                "fill_before_pct": self.levels.before[order].astype(np.float64).round(2),
                "fill_after_pct": self.levels.after[order].astype(np.float64).round(2),
                "partial": self.rounds.partial[order],
            }
        )

    @property
    def true_spells(self) -> pd.DataFrame:
        """The truth about faults: bin_id, kind, begins_at, ends_at; by bin and time.

        Sensors' spells are stuck, erratic, echo or moved; a compaction is the hour in which the content was pressed.
        """
        reports, pressed = self.reports, self.levels.compactions
        of_bins = np.arange(len(self.bins))
        kinds: dict[str, tuple[NDArray, NDArray, NDArray]] = {
            kind: (of_bins[spells.has], spells.begin_s[spells.has], spells.end_s[spells.has])
            for kind, spells in (("stuck", reports.stuck_spells), ("erratic", reports.erratic_spells))
        } | {
            kind: (offsets.bin_index, offsets.begin_s, offsets.end_s)
            for kind, offsets in (("echo", reports.echoes), ("moved", reports.moves))
        }
        kinds["compaction"] = pressed.bin_index, 3600 * pressed.hour, 3600 * (pressed.hour + 1)
        frames = [
            pd.DataFrame(
                {
                    "bin_id": self.bins["bin_id"].to_numpy()[bin_index],
                    "kind": kind,
                    "begins_at": self._start + pd.to_timedelta(begin_s.astype(np.int64), unit="s"),
                    "ends_at": self._start + pd.to_timedelta(end_s.astype(np.int64), unit="s"),
                }
            )
            for kind, (bin_index, begin_s, end_s) in kinds.items()
        ]
        return pd.concat(frames).sort_values(["bin_id", "begins_at"], ignore_index=True)

    def write(self, folder: Path) -> None:
        """Write the contract's files into `folder`, which is made when missing; whole files or none."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(
                found=f"{folder} is a file, or lies below one",
                expected="a folder to write the simulated city into",
                remedy="Name a new folder.",
                example="--out city",
            ) from error
        with tempfile.TemporaryDirectory(prefix=".simulate-", dir=folder) as scratch:
            draft = Path(scratch)
            (draft / "truth").mkdir()
            _write_parquet(draft / "readings.parquet", self._readings())
            _write_parquet(draft / "truth" / "levels.parquet", self._true_levels())
            self.weather.frame().to_parquet(draft / "weather.parquet", index=False)
            self.bins.to_csv(draft / "bins.csv", index=False)
            _write_csv(draft / "visits.csv", self.visits, "planned_at")
            _write_csv(draft / "truth" / "emptyings.csv", self.true_emptyings, "emptied_at")
            _write_csv(draft / "truth" / "spells.csv", self.true_spells, "begins_at", "ends_at")
            (draft / "truth" / "settings.json").write_text(self.settings.model_dump_json(indent=2) + "\n")
            (folder / "truth").mkdir(exist_ok=True)
            for path in sorted(path for path in draft.rglob("*") if path.is_file()):
                path.replace(folder / path.relative_to(draft))

    @property
    def _start(self) -> pd.Timestamp:
        return pd.Timestamp(self.settings.start).as_unit("us")

    def _chunks(self, rows_per_bin: int) -> Iterator[slice]:
        step = max(1, CHUNK_ROWS // rows_per_bin)
        return (slice(first, first + step) for first in range(0, self.settings.bins, step))

    def _readings(self) -> Iterator[pa.Table]:
        reports = self.reports
        for chunk in self._chunks(len(reports.kept)):
            kept, bins = reports.kept[:, chunk].T, self.bins.iloc[chunk]
            first = reports.first_pct[:, chunk].T[kept]
            revised = ~np.isnan(first)
            # A revised reading stands twice, its rough version before the right one.
            row = np.repeat(np.arange(len(first)), 1 + revised)
            rough = np.zeros(len(row), dtype=bool)
            rough[:-1] = row[1:] == row[:-1]
            fill = np.where(rough, first[row], reports.fill_pct[:, chunk].T[kept][row])
            bin_index = np.nonzero(kept)[0][row]
            heard = np.where(rough, reports.delay_s[:, chunk].T[kept][row], reports.revised_s[:, chunk].T[kept][row])
            distance = distance_mm(fill, bins.iloc[bin_index]).astype(np.float64)
            measured = reports.measured_s[:, chunk].T[kept].astype(np.int64)[row]
            yield pa.table(
                {
                    "bin_id": _ids(bins, bin_index),
                    "measured_at": self._instants(measured),
                    "received_at": self._instants(measured + heard),
                    "fill_pct": pa.array(np.where(np.isnan(distance), fill, np.nan).astype(np.float64), pa.float64()),
                    "distance_mm": pa.array(distance, pa.float64()),
                }
            )

    def _true_levels(self) -> Iterator[pa.Table]:
        hours = self.settings.hours
        at = np.arange(hours, dtype=np.int64) * 3600
        for chunk in self._chunks(hours):
            bins = self.bins.iloc[chunk]
            yield pa.table(
                {
                    "bin_id": _ids(bins, np.repeat(np.arange(len(bins)), hours)),
                    "at": self._instants(np.tile(at, len(bins))),
                    "level": pa.array(self.levels.level[:-1, chunk].T.ravel()),
                    "rate_pct_per_h": pa.array(self.rates.rate_pct_per_h[:, chunk].T.ravel()),
                    "shock": pa.array(self.rates.shock[:, chunk].T.ravel()),
                    "event": pa.array(self.rates.event[:, chunk].T.ravel()),
                }
            )

    def _instants(self, seconds: NDArray[np.int64]) -> pa.Array:
        return pa.array(seconds * 1_000_000 + self._start.value // 1_000).cast(INSTANT)


def simulate(settings: CitySettings, rng: np.random.Generator) -> Simulation:
    """Simulate a city. A generator of the same seed gives the same city.

    Example: `simulate(CitySettings(bins=50, days=60), np.random.default_rng(0)).write(Path("city"))`.

    Each part draws from its own stream of numbers, so sensors can be changed without changing the truth.
    """
    city_rng, weather_rng, rate_rng, round_rng, deposit_rng, sensor_rng, forecast_rng = rng.spawn(7)
    at = pd.date_range(settings.start, periods=settings.hours, freq="h", unit="us")
    weather = simulate_weather(at, settings.timezone, weather_rng, forecast_rng)
    city = found_city(settings, city_rng)
    rates = true_rates(settings, city, weather, rate_rng)
    rounds = plan_rounds(settings, city, round_rng)
    levels = fill_bins(settings, draw_deposits(settings, rates, deposit_rng), rounds, deposit_rng)
    return Simulation(settings, city, weather, rates, rounds, levels, report(settings, levels, sensor_rng))


def simulate_to(folder: Path, *, bins: int, days: int, seed: int, settings: CitySettings | None = None) -> None:
    """Simulate `bins` bins over `days` days and write the contract's files into `folder`.

    `settings` gives everything else. Raises InputError for settings that cannot be, or a folder that is a file.
    """
    base = settings.model_dump() if settings is not None else {}
    try:
        chosen = CitySettings(**(base | {"bins": bins, "days": days}))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            found=f"{'.'.join(map(str, first['loc']))} is {first['input']!r}",
            expected=first["msg"],
            remedy="Choose at least one bin and one day.",
            example="--bins 200 --days 180 --seed 0",
        ) from error
    simulate(chosen, np.random.default_rng(seed)).write(folder)


def _ids(bins: pd.DataFrame, index: NDArray[np.int64]) -> pa.Array:
    return pa.array(bins["bin_id"].to_list(), pa.string()).take(pa.array(index))


def _write_parquet(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="zstd", compression_level=1) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _write_csv(path: Path, frame: pd.DataFrame, *instants: str) -> None:
    """CSV whose times are ISO 8601 with an offset."""
    text = {instant: frame[instant].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for instant in instants}
    frame.assign(**text).to_csv(path, index=False)
