from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from data.history import History
from data.readings import Readings
from data.sequences import HOUR_US, Archive
from training.calendar import WEEK_H, Clock
from training.profiles import NANO, Accumulated
from training.resistance import Resistance
from training.situations import Situations, describe
from training.visits import WEEKS, Visits, mean_known

HORIZON_NAMES = (
    "horizon_h",
    "ahead_h",
    "expected_pct",
    "expected_pace_pct",
    "projected_pct",
    "at_hour",
    "at_weekday",
    "holidays",
    "at_holiday",
    "visited",
    *(f"visited_{week}w" for week in range(1, WEEKS + 1)),
    "since_visit_h",
    "refilled_pct",
)
VISITED = tuple(name for name in HORIZON_NAMES if name.startswith("visited"))
SINCE_VISIT = ("since_visit_h", "refilled_pct")
EXPECTED = ("expected_pct", "expected_pace_pct", "projected_pct")
MOST_PCT = 130.0


@dataclass(frozen=True)
class Features:
    """One row for each situation and horizon asked of it.

    names (F,)    the columns, in order
    matrix (k, F) float64, NaN where not known
    level (k,)    the filtered level of the row's situation, percent: forecasts are made relative to it
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    level: np.ndarray

    def expecting(self, more: np.ndarray, held: Resistance, kind: np.ndarray) -> Features:
        """The same where `more` (k,) points are expected at the bin's pace than its profile says.

        `held`: how bins fill the slower the fuller they are; `kind` (k,) the row of its ease.
        """
        matrix = self.matrix.copy()
        expected, paced, projected = (self.names.index(name) for name in EXPECTED)
        pace = matrix[:, self.names.index("pace_672h")]
        matrix[:, expected] = np.maximum(matrix[:, expected] + more / pace, 0)
        matrix[:, paced] = np.maximum(matrix[:, paced] + more, 0)
        matrix[:, projected] = np.minimum(held.onward(self.level, matrix[:, paced], kind), MOST_PCT)
        return replace(self, matrix=matrix)

    def visited(self) -> np.ndarray:
        """(k,) bool: rows in whose hours the bin was emptied in a week before."""
        return np.nan_to_num(self.column("visited")) > 0

    def unvisited(self) -> Features:
        """The same as if the bin had never been emptied in these hours."""
        matrix = self.matrix.copy()
        for names, value in ((VISITED, 0.0), (SINCE_VISIT, np.nan)):
            columns = [self.names.index(name) for name in names]
            matrix[:, columns] = np.where(np.isnan(matrix[:, columns]), np.nan, value)
        return replace(self, matrix=matrix)

    def take(self, rows: np.ndarray) -> Features:
        """Only these rows."""
        return Features(self.names, self.matrix[rows], self.level[rows])

    def column(self, name: str) -> np.ndarray:
        """(k,) one column."""
        return self.matrix[:, self.names.index(name)]


def feature_names() -> tuple[str, ...]:
    """The names of all features, in order, as this version of the code makes them."""
    none = np.zeros(0, dtype=np.int64)
    clock = Clock.over(np.array(["UTC"], dtype=object), 0, HOUR_US)
    gathered = Accumulated.of(np.ones((1, WEEK_H)), np.zeros(1, dtype=int))
    history = History.of(Readings.none())
    nobody, moment = np.array([""], dtype=object), np.zeros(1, dtype=np.int64)
    found = describe(Archive.of(history), history, nobody, moment, gathered, clock)
    return horizon_features(found, none, moment, none, moment, moment, gathered, clock, none).names


def horizon_features(
    situations: Situations,
    row: np.ndarray,
    as_of: np.ndarray,
    at: np.ndarray,
    stream: np.ndarray,
    code: np.ndarray,
    gathered: Accumulated,
    clock: Clock,
    holidays: np.ndarray,
) -> Features:
    """Features of `at` (k,) for the situations `row` (k,), whose moments are `as_of` (m,); all in microseconds.

    `stream` and `code` (m,) hold the numbers of streams and bins (-1: unknown), `holidays` sorted local days,
    counted from a Monday.
    """
    local_at, local_now = clock.local_s(at, row), clock.local_s(as_of, np.arange(len(as_of)))
    reading = clock.local_s(situations.measured, np.arange(len(as_of)))
    then = gathered.at(local_at, row)
    expected = np.maximum(then - gathered.at(reading, np.arange(len(as_of)))[row], 0) / NANO
    pace = situations.pace[row]
    level = situations.level[row]

    def gathered_since(moment: np.ndarray) -> np.ndarray:
        """(k,) percent at the bin's pace from `moment` (k,), local seconds, until `at`."""
        return (then - gathered.at(moment, row)) / NANO * pace

    projected = gathered.held.onward(level, expected * pace, gathered.kind[row])
    day_at, day_now = local_at // 86400, (local_now // 86400)[row]
    first, last = np.searchsorted(holidays, day_now), np.searchsorted(holidays, day_at, side="right")
    own = np.column_stack([*situations.columns.values(), stream.astype(float), code.astype(float)])
    asked = np.column_stack(
        [
            (at - as_of[row]) / HOUR_US,
            (at - situations.measured[row]) / HOUR_US,
            expected,
            expected * pace,
            np.minimum(projected, MOST_PCT),
            local_at // 3600 % 24,
            day_at % 7,
            last - first,
            np.isin(day_at, holidays),
            *_usual(situations.visits, reading[row], local_at, row, gathered_since),
        ]
    )
    return Features((*situations.columns, "stream", "bin", *HORIZON_NAMES), np.hstack([own[row], asked]), level)


def _usual(
    visits: Visits, begin: np.ndarray, end: np.ndarray, row: np.ndarray, gathered: Callable[[np.ndarray], np.ndarray]
) -> list[np.ndarray]:
    """What happened between `begin` and `end` (k,), local seconds, in the weeks before: seven columns (k,).

    Share of the weeks in which bins `row` (k,) were emptied in these hours, and each week's; where one was, hours from
    the usual moment to `end`, and what is `gathered` from that moment on.
    """
    weekly = visits.weekly(begin, end, row)
    visited = mean_known(weekly)
    moment = visits.usual(begin, end, row)
    some = np.nan_to_num(visited) > 0
    hours = np.where(some, (end - moment) / 3600, np.nan)
    return [visited, *weekly.T, hours, np.where(some, gathered(moment), np.nan)]
