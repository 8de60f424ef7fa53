"""Every row that comes in ends in exactly one place: among the readings, or set aside with its reason."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.bins import Bins
from data.emptyings import Emptyings
from data.errors import InputError
from data.faults import MALFORMED, Faults, empty, ids, number
from data.readings import Readings, Rejected
from data.scales import Scales
from data.tables import BINS, CLOCK_SLACK_MIN, EMPTYINGS, FILL_MAX_PCT, FILL_MIN_PCT, READINGS
from data.times import Times, known_zones, read_times
from data.weather import TIMES, Weather

OPTIONAL = ("temperature_c", "battery_pct", "quality")
KNOWN = (*READINGS.columns, "distance_mm", "device_id", MALFORMED)
ASTRAY = pd.Timedelta(days=30)
FIRST, LAST = pd.Timestamp("1990-01-01", tz="UTC"), pd.Timestamp("2200-01-01", tz="UTC")


BIN_RANGES = {
    "latitude": (-90.0, 90.0),
    "longitude": (-180.0, 180.0),
    "capacity_l": (1e-9, np.inf),
    "full_pct": (1.0, 200.0),
    "empty_mm": (-np.inf, np.inf),
    "full_mm": (-np.inf, np.inf),
}
WEATHER_RANGES = {"temperature_c": (-95.0, 65.0), "precipitation_mm": (0.0, 500.0)}


@dataclass(frozen=True)
class Cleaned:
    """What became of `rows` input rows, and which columns nobody knows.

    `retold`: the rows set aside as repeats, as readings are: a store that hears later what lay between needs them.
    """

    readings: Readings
    retold: pd.DataFrame
    rejected: Rejected
    unknown_columns: tuple[str, ...]
    rows: int


def clean(
    raw: pd.DataFrame, bins: Bins | None = None, *, now: pd.Timestamp | None = None, timezone: str | None = None
) -> Cleaned:
    """Split raw rows into Readings and Rejected; `Rejected.frame.row` counts the rows of `raw` from 0.

    `bins`: readings of other bins are set aside, and distances become percent by their scales. `received_at`
    defaults to `now` (the service's clock) or, without it, to `measured_at`. Times without an offset are of
    `timezone`, or set aside. Raises InputError when a needed column is missing.
    """
    _need(raw, "readings", ("bin_id", "device_id"), ("measured_at",), ("fill_pct", "distance_mm"))
    raw = raw.reset_index(drop=True)
    faults = Faults(len(raw))
    _malformed(raw, faults)
    measured = read_times(raw["measured_at"], timezone)
    bin_id, device_id = ids(raw, "bin_id"), ids(raw, "device_id")
    scales = Scales.of(bins)
    by_device = bin_id.isna().to_numpy() & device_id.notna().to_numpy()
    if by_device.any():
        bin_id = bin_id.where(~by_device, scales.bin_of(device_id, measured.utc))
    faults.add("unknown_device", by_device & bin_id.isna().to_numpy(), "device_id ", device_id, " sits in no known bin")
    faults.add("missing_value", bin_id.isna().to_numpy(), "bin_id is missing")
    faults.add_times("measured_at", measured, raw["measured_at"], required=True)
    received_at = _received(raw, measured, faults, now, timezone)
    fill = _fill(raw, bin_id, measured.utc, scales, bins, faults)
    _check_bins_and_clock(bin_id, "measured_at", measured.utc, received_at, bins, faults)
    frame = pd.DataFrame({"bin_id": bin_id, "measured_at": measured.utc, "received_at": received_at, "fill_pct": fill})
    for name in OPTIONAL:
        if name in raw:
            values = number(raw[name])
            frame[name] = values.where(np.isfinite(values))
    readings, repeated = Readings.split(frame[faults.none()])
    faults.add(
        "repeat", np.isin(np.arange(len(raw)), repeated), "says again what is known of ", bin_id, " at ", measured.utc
    )
    unknown = tuple(str(name) for name in raw.columns if name not in KNOWN)
    return Cleaned(readings, frame.loc[repeated], faults.rejected(bin_id, raw), unknown, len(raw))


def _received(
    raw: pd.DataFrame, measured: Times, faults: Faults, now: pd.Timestamp | None, timezone: str | None
) -> pd.Series:
    default = measured.utc if now is None else pd.Series(now, index=raw.index).astype("datetime64[us, UTC]")
    if "received_at" not in raw:
        return default
    received = read_times(raw["received_at"], timezone)
    faults.add_times("received_at", received, raw["received_at"], required=False)
    return received.utc.fillna(default)


def _fill(
    raw: pd.DataFrame, bin_id: pd.Series, measured_at: pd.Series, scales: Scales, bins: Bins | None, faults: Faults
) -> pd.Series:
    """fill_pct, from distance_mm where only that is there; NaN where it is set aside."""
    nothing = pd.Series(np.nan, index=raw.index)
    given = raw.get("fill_pct", nothing)
    fill, lacking = number(given), empty(given)
    if "distance_mm" in raw:
        measured = lacking & ~empty(raw["distance_mm"])
        distance = number(raw["distance_mm"])
        wrong = measured & ~np.isfinite(distance.to_numpy())
        faults.add("unparsable_value", wrong, "distance_mm ", raw["distance_mm"], " is no number")
        scaled = scales.fill_pct(bin_id, measured_at, distance)
        known = bin_id.isin(bins.frame["bin_id"].unique()).to_numpy() if bins is not None else np.ones(len(raw), bool)
        faults.add(
            "no_scale",
            measured & ~wrong & known & scaled.isna().to_numpy(),
            "distance_mm needs empty_mm and full_mm in the bins table for ",
            bin_id,
        )
        fill, lacking = fill.where(~measured, scaled), lacking & ~measured
    else:
        measured = np.zeros(len(raw), dtype=bool)
    faults.add("missing_value", lacking, "fill_pct is missing")
    values = fill.to_numpy()
    said = given.astype("str").str.strip().str.lower() if (np.isnan(values) & ~lacking & ~measured).any() else None
    nan = said.isin(["nan", "+nan", "-nan"]).to_numpy() if said is not None else np.zeros(len(raw), dtype=bool)
    faults.add("unparsable_value", np.isnan(values) & ~lacking & ~measured & ~nan, "fill_pct ", given, " is no number")
    with np.errstate(invalid="ignore"):
        inside = (values >= FILL_MIN_PCT) & (values <= FILL_MAX_PCT)
    faults.add("impossible_fill", nan, "fill_pct is NaN, not a number")
    impossible = ~inside & ~np.isnan(values)
    faults.add("impossible_fill", impossible, "fill_pct ", fill, f" lies outside {FILL_MIN_PCT:g} to {FILL_MAX_PCT:g}")
    return fill


def clean_bins(raw: pd.DataFrame, *, timezone: str | None = None) -> tuple[Bins, Rejected]:
    """Split raw rows of the bins table into Bins and Rejected; a lacking `timezone` column is filled with `timezone`.

    Of rows that name the same bin, device and valid_from the last holds, the others are repeats.
    Raises InputError when a needed column is missing.
    """
    raw = raw.reset_index(drop=True)
    if "timezone" not in raw and timezone is not None:
        raw = raw.assign(timezone=timezone)
    _need(raw, "bins", ("bin_id",), ("timezone",))
    faults = Faults(len(raw))
    _malformed(raw, faults)
    frame = pd.DataFrame({name: ids(raw, name) for name in BINS.columns if name in raw})
    for name in ("bin_id", "timezone"):
        faults.add("missing_value", frame[name].isna().to_numpy(), f"{name} is missing")
    zone = frame["timezone"].isin(known_zones()).to_numpy()
    faults.add(
        "unknown_timezone", ~zone, "there is no timezone ", frame["timezone"], " (expected such as Europe/Prague)"
    )
    for name in [name for name in BIN_RANGES if name in frame]:
        frame[name] = _ranged(raw[name], name, *BIN_RANGES[name], faults)
    if {"empty_mm", "full_mm"} <= set(frame):
        same = (frame["empty_mm"] == frame["full_mm"]).to_numpy()
        faults.add(
            "impossible_value", same, "empty_mm and full_mm are both ", raw["empty_mm"], ": no distance tells the fill"
        )
    for name in [name for name in ("valid_from", "valid_to") if name in frame]:
        times = read_times(raw[name], timezone)
        faults.add_times(name, times, raw[name], required=False)
        frame[name] = times.utc
    if {"valid_from", "valid_to"} <= set(frame):
        ended = (frame["valid_to"] <= frame["valid_from"]).to_numpy()
        faults.add("impossible_span", ended, "valid_to ", raw["valid_to"].astype(str), " is not after valid_from")
    good = frame[faults.none()]
    earlier = good.index[good.duplicated([n for n in ("bin_id", "device_id", "valid_from") if n in good], keep="last")]
    faults.add("repeat", frame.index.isin(earlier), "a later row says the same of ", frame["bin_id"])
    return Bins.checked(frame[faults.none()]), faults.rejected(frame["bin_id"], raw)


def clean_emptyings(
    raw: pd.DataFrame, bins: Bins | None = None, *, now: pd.Timestamp | None = None, timezone: str | None = None
) -> tuple[Emptyings, Rejected]:
    """Split raw rows of emptyings into Emptyings and Rejected; arguments as in `clean`."""
    raw = raw.reset_index(drop=True)
    _need(raw, "emptyings", ("bin_id",), ("emptied_at",))
    faults = Faults(len(raw))
    _malformed(raw, faults)
    bin_id = ids(raw, "bin_id")
    faults.add("missing_value", bin_id.isna().to_numpy(), "bin_id is missing")
    emptied = read_times(raw["emptied_at"], timezone)
    faults.add_times("emptied_at", emptied, raw["emptied_at"], required=True)
    received_at = _received(raw, emptied, faults, now, timezone)
    _check_bins_and_clock(bin_id, "emptied_at", emptied.utc, received_at, bins, faults)
    frame = pd.DataFrame({"bin_id": bin_id, "emptied_at": emptied.utc, "received_at": received_at})
    for name in [n for n in ("fill_before_pct", "fill_after_pct", "probability") if n in raw]:
        high = 1.0 if name == "probability" else FILL_MAX_PCT
        low = 0.0 if name == "probability" else FILL_MIN_PCT
        frame[name] = _ranged(raw[name], name, low, high, faults)
    if "source" in raw:
        frame["source"] = ids(raw, "source").fillna("reported")
        wrong = ~frame["source"].isin(["reported", "detected"]).to_numpy()
        faults.add("unparsable_value", wrong, "source is ", frame["source"], ", not reported or detected")
    order = frame[faults.none()].sort_values([name for name in EMPTYINGS.columns if name in frame], kind="stable")
    again = order.index[order.duplicated(["bin_id", "emptied_at"])]
    faults.add("repeat", frame.index.isin(again), "says again that ", bin_id, " was emptied at ", emptied.utc)
    return Emptyings.checked(frame[faults.none()]), faults.rejected(bin_id, raw)


def clean_weather(raw: pd.DataFrame, *, timezone: str | None = None) -> tuple[Weather, Rejected]:
    """Split raw rows of weather into Weather and Rejected; a row without `issued_at` was observed, and issued at `at`.

    Of rows that name the same `at` and `issued_at` one holds (see `Weather.checked`), the others are repeats.
    """
    raw = raw.reset_index(drop=True)
    _need(raw, "weather", ("at",), tuple(WEATHER_RANGES))
    faults = Faults(len(raw))
    _malformed(raw, faults)
    frame = pd.DataFrame(index=raw.index)
    for name in [name for name in TIMES if name in raw]:
        times = read_times(raw[name], timezone)
        faults.add_times(name, times, raw[name], required=name == "at")
        frame[name] = times.utc
    frame["issued_at"] = frame["issued_at"].fillna(frame["at"]) if "issued_at" in frame else frame["at"]
    for name in TIMES:
        strange = ((frame[name] < FIRST) | (frame[name] >= LAST)).to_numpy()
        faults.add("impossible_time", strange, f"{name} ", frame[name], " lies outside 1990 to 2200")
    for name in [name for name in WEATHER_RANGES if name in raw]:
        frame[name] = _ranged(raw[name], name, *WEATHER_RANGES[name], faults)
    nothing = frame[[name for name in WEATHER_RANGES if name in frame]].isna().all(axis=1).to_numpy()
    faults.add("missing_value", nothing, "temperature_c and precipitation_mm are missing")
    order = frame[faults.none()].sort_values(list(frame.columns), na_position="first", kind="stable")
    again = order.index[order.duplicated(list(TIMES), keep="last")]
    faults.add("repeat", frame.index.isin(again), "another row is issued at the same moment for ", frame["at"])
    return Weather.checked(frame[faults.none()]), faults.rejected(ids(raw, "bin_id"), raw)


def _need(raw: pd.DataFrame, table: str, *groups: tuple[str, ...]) -> None:
    """Raise InputError unless of each group one column is there."""
    for group in groups:
        if not any(name in raw for name in group):
            raise InputError(
                f"The {table} have no column {' or '.join(group)}, but {', '.join(map(str, raw.columns)) or 'none'}",
                expected=" and ".join(names[0] for names in groups),
                remedy=f"Name the column with --map, for example --map {group[0]}=NAME.",
            )


def _malformed(raw: pd.DataFrame, faults: Faults) -> None:
    if MALFORMED in raw:
        faults.add("malformed_row", raw[MALFORMED].notna().to_numpy(), raw[MALFORMED])


def _ranged(column: pd.Series, name: str, low: float, high: float, faults: Faults) -> pd.Series:
    """Optional numbers; what is no number, or lies outside, is a fault."""
    values = number(column)
    faults.add("unparsable_value", values.isna().to_numpy() & ~empty(column), f"{name} ", column, " is no number")
    outside = (values.notna() & ~((values >= low) & (values <= high) & np.isfinite(values))).to_numpy()
    faults.add("impossible_value", outside, f"{name} ", values, f" lies outside {low:g} to {high:g}")
    return values


def _check_bins_and_clock(
    bin_id: pd.Series, name: str, at: pd.Series, received_at: pd.Series, bins: Bins | None, faults: Faults
) -> None:
    if bins is not None:
        known = bin_id.isin(bins.frame["bin_id"].unique()).to_numpy()
        faults.add("unknown_bin", ~known, "the bins table has no bin ", bin_id)
    strange = ((at < FIRST) | (at >= LAST)).to_numpy()
    faults.add("impossible_time", strange, f"{name} ", at, " lies outside 1990 to 2200")
    ahead = (at > received_at + pd.Timedelta(minutes=CLOCK_SLACK_MIN)).to_numpy()
    faults.add("from_the_future", ahead, f"{name} ", at, " is more than 5 minutes after received_at ", received_at)
    astray = _astray(at, pd.Timestamp.now("UTC"))
    faults.add(
        "from_the_future", astray, f"{name} ", at, " lies ahead of this machine's clock, and far after the others"
    )


def _astray(at: pd.Series, clock: pd.Timestamp) -> NDArray[np.bool_]:
    """(n,) moments ahead of the clock before which, for a month, there are none: mistyped, or of a sensor gone wrong.

    A whole table may lie ahead, as a simulated city's does: what is astray are the fewer.
    """
    if not (at > clock).any():
        return np.zeros(len(at), dtype=bool)
    told = np.sort(at.dropna().to_numpy("datetime64[us]"))
    after = np.flatnonzero((np.diff(told) > ASTRAY) & (told[1:] > clock.tz_localize(None).to_datetime64())) + 1
    after = after[after > len(told) / 2]
    if not len(after):
        return np.zeros(len(at), dtype=bool)
    return (at >= pd.Timestamp(told[after[0]], tz="UTC")).to_numpy()
