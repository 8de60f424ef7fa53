"""What clients get: each answer a pydantic model; times are RFC 3339 in UTC, missing numbers null."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Status = Literal["ok", "stale", "cold_start", "faulty_sensor", "no_data", "unknown_bin"]


class ModelNamed(BaseModel):
    """The model that made the forecast."""

    name: str
    version: str
    trained_until: AwareDatetime | None


class Scores(BaseModel):
    """Means over bins, then over horizons: percentage points of fill, or shares; null where there is none."""

    model_config = ConfigDict(extra="allow")

    horizon_h: float | None = Field(default=None, description="null: over all horizons")
    n: int | None = Field(default=None, description="windows")
    crps: float | None = None
    mae: float | None = None
    cover80: float | None = Field(default=None, description="share of truths inside the 80% interval")
    brier: float | None = Field(default=None, description="of p_full")


class Skill(BaseModel):
    """1 - CRPS / that of the best baseline, and its 95% interval (blocks of bin and week)."""

    against: str
    value: float
    interval95: tuple[float | None, float | None]


class ModelCard(BaseModel):
    """What answers: the champion, what it learned from, how, how good it was, and where it is weak."""

    model_config = ConfigDict(extra="allow")

    name: str
    version: str
    trained_until: AwareDatetime | None = None
    span: tuple[AwareDatetime, AwareDatetime] | None = Field(default=None, description="first and last reading")
    readings: int | None = None
    bins: int | None = None
    streams: list[str] = []
    method: list[str] = Field(default=[], description="a sentence each")
    scored_on: str | None = Field(default=None, description="windows that the fit had not seen")
    scores: Scores | None = None
    scores_by_horizon: list[Scores] = []
    baselines: dict[str, Scores] = Field(default={}, description="the same windows, by name")
    skill: Skill | None = None
    weaknesses: list[str] = Field(default=[], description="known weaknesses, computed from the scores where possible")


class FullAt(BaseModel):
    """By p10, p50 and p90 the bin is full with probability 0.1, 0.5 and 0.9; null beyond 14 days."""

    p10: AwareDatetime | None
    p50: AwareDatetime | None
    p90: AwareDatetime | None


class Point(BaseModel):
    """The fill at one moment, absent an emptying: if nobody comes, whatever is usual."""

    at: AwareDatetime
    horizon_h: float
    mean: float | None = Field(description="percent")
    quantiles: dict[str, float | None] = Field(description="percent, by probability")
    p_full: float | None = Field(description="probability of being full")


class BinForecast(BaseModel):
    """One bin's forecast. Only `no_data` and `unknown_bin` come with null numbers."""

    bin_id: str
    as_of: AwareDatetime = Field(description="when it was made: no reading of this bin has come since")
    status: Status
    reasons: list[str]
    last_reading_at: AwareDatetime | None
    fill_now_pct: float | None
    points: list[Point]
    full_at: FullAt


class ForecastAnswer(BaseModel):
    """Forecasts in the order asked."""

    as_of: AwareDatetime
    model: ModelNamed
    forecasts: list[BinForecast]


class DueBin(BaseModel):
    """A bin that must be emptied, and until when."""

    bin_id: str
    as_of: AwareDatetime = Field(description="when its forecast was made: no reading of this bin has come since")
    status: Status
    reasons: list[str] = Field(default=[], description="what there is to know of it, as that it was possibly emptied")
    fill_now_pct: float | None
    p_full: float = Field(description="probability of being full by `by`, or by its own next visit")
    expected_fill_pct: float | None = Field(description="mean fill at that moment")
    latest_safe_emptying_at: AwareDatetime | None = Field(description="last moment at which p_full is at most `risk`")
    full_at: FullAt
    latitude: float | None
    longitude: float | None
    capacity_l: float | None
    expected_volume_l: float | None


class Skipped(BaseModel):
    """A bin of which no answer can be given, and why."""

    bin_id: str
    status: Status
    reasons: list[str]


class Ignored(BaseModel):
    """Part of a request that had no effect, and why: a bin's name may be misspelt."""

    pointer: str = Field(description="into the request, such as #/visits/3")
    detail: str


class Listing(BaseModel):
    """What a due list tells besides its bins, in every format.

    `left_out` counts those due beyond `limit` or `max_volume_l`.
    """

    as_of: AwareDatetime
    model: ModelNamed
    left_out: int
    skipped: list[Skipped]
    ignored: list[Ignored] = []

    def beside(self) -> dict[str, Any]:
        """These fields, for the same list in another format."""
        return {name: getattr(self, name) for name in Listing.model_fields}


class DueAnswer(Listing):
    """The bins due, most urgent first."""

    due: list[DueBin]


class VroomJob(BaseModel):
    """A stop, as https://github.com/VROOM-Project/vroom/blob/master/docs/API.md tells."""

    id: int
    description: str = Field(description="the bin")
    location: tuple[float, float] = Field(description="longitude, latitude")
    pickup: list[int] = Field(description="litres, rounded up; 0 where the capacity is unknown")
    priority: int = Field(ge=0, le=100, description="100 times the probability of being full")
    time_windows: list[tuple[int, int]] = Field(description="unix seconds, from as_of to the latest safe emptying")


class VroomAnswer(Listing):
    """The due bins as VROOM jobs: add `vehicles`, and it is a problem to solve."""

    jobs: list[VroomJob]


class RejectedRow(BaseModel):
    """A row set aside: its place in the request and why."""

    index: int
    reason: str
    detail: str = ""


class IntakeAnswer(BaseModel):
    """What became of the rows sent. Each is accepted, unchanged (it was known already) or rejected."""

    accepted: int
    unchanged: int
    rejected: list[RejectedRow]
    ignored_fields: list[str] = Field(default=[], description="fields that nobody knows")


class Counts(BaseModel):
    """Rows taken, and rows that were known already."""

    accepted: int
    unchanged: int


class AdapterAnswer(IntakeAnswer):
    """What became of a platform's payload; `accepted` and `unchanged` count readings, an index counts its items."""

    emptyings: Counts
    ignored: list[RejectedRow] = Field(description="items that are right but tell no level, such as a join, and why")


class BinsAnswer(BaseModel):
    """The bins that are known, by bin_id."""

    bins: list[dict[str, Any]]
    next_after: str | None = Field(description="pass it as ?after= for the bins that follow; null at the end")


class Profile(BaseModel):
    """The bin's own fill rates by hour of the local week, Monday 00:00 first."""

    rate_pct_per_h: list[float]
    own_evidence: float | None = Field(description="how much of it is the bin's own, 0 (all its stream's) to 1")


class BinAnswer(BaseModel):
    """All about one bin."""

    bin: dict[str, Any]
    as_of: AwareDatetime
    readings: list[dict[str, Any]]
    emptyings: list[dict[str, Any]]
    forecast: BinForecast | None
    profile: Profile | None


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class Ready(BaseModel):
    """Whether the service can answer, and what it answers from."""

    ready: bool
    store: dict[str, Any]
    model: dict[str, Any]
    forecasts: dict[str, Any] = Field(description="how many bins are forecast already, in the background after a start")
    registry: dict[str, Any] = Field(
        description="whether the registry answered when it was asked last; answers never wait for it"
    )
    scores: dict[str, Any] = Field(description="when forecasts were scored last, and what became of the challenger")


class ProblemAnswer(BaseModel):
    """An error, RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = Field(default=[], description="each a `pointer` into the request and a `detail`")
