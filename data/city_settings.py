"""The settings of a simulated city: what it holds and how far its sensors can be trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import holidays
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, field_validator

from data.site_kinds import SITE_KINDS, STREAMS


class CitySettings(BaseModel):
    """Frozen settings of `data.simulation.simulate`; the defaults are the contract's. Unknown keys are errors.

    Rates are percentage points of a bin's capacity, shares lie in 0..1, ranges are (lowest, highest) inclusive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The city
    bins: int = Field(default=200, ge=1)
    days: int = Field(default=180, ge=1)
    start: AwareDatetime = datetime(2025, 1, 6, tzinfo=UTC)
    timezone: str = "Europe/Prague"
    country: str = "CZ"
    """ISO code whose public holidays the city keeps (library `holidays`)."""
    latitude: float = Field(default=50.0755, ge=-85.0, le=85.0)
    longitude: float = Field(default=14.4378, ge=-180.0, le=180.0)
    bins_per_neighbourhood: PositiveFloat = 25.0
    city_radius_km: PositiveFloat = 4.0
    neighbourhood_radius_km: PositiveFloat = 0.4
    site_kind_shares: dict[str, NonNegativeFloat] = {name: kind.share for name, kind in SITE_KINDS.items()}
    stream_shares: dict[str, NonNegativeFloat] = {name: stream.share for name, stream in STREAMS.items()}
    full_pct: float = Field(default=95.0, gt=0.0, le=100.0)

    # What is thrown in
    base_rate_pct_per_day: PositiveFloat = 16.0
    """Median over the bins of their mean rate."""
    base_rate_sigma: NonNegativeFloat = 0.75
    """Standard deviation of the log of the bins' mean rates, the difference between streams included."""
    bag_pct: PositiveFloat = 1.2
    """Mean size of one ordinary deposit."""
    bulky_share: float = Field(default=0.05, ge=0.0, le=1.0)
    """Share of the flow that comes as bulky deposits."""
    bulky_pct: PositiveFloat = 10.0
    """Mean size of one bulky deposit."""
    settling_share: NonNegativeFloat = 0.0
    """How much higher fresh deposits lie, as a share of what they come to in the end."""
    settling_hours: PositiveFloat = 12.0
    """Mean time in which they settle."""
    compactions_per_month: NonNegativeFloat = 0.0
    """How often somebody presses a bin's content down, in 30 days. The oracle does not know of it."""
    compaction_share: tuple[float, float] = (0.15, 0.4)
    """By what share of itself the content then sinks."""
    city_shock_sigma: NonNegativeFloat = 0.15
    neighbourhood_shock_sigma: NonNegativeFloat = 0.12
    bin_shock_sigma: NonNegativeFloat = 0.15
    events_per_neighbourhood_year: NonNegativeFloat = 6.0
    event_hours: tuple[float, float] = (4.0, 12.0)
    event_factor: tuple[float, float] = (1.8, 4.0)
    """How many times the usual rate a bin next to a local event fills."""
    event_radius_km: PositiveFloat = 0.35
    weather_effect: NonNegativeFloat = 1.0
    """How strongly the weather drives deposits: 0 not at all, 1 as `data.site_kinds` says, 2 twice that."""
    ceiling_pct: float = Field(default=140.0, gt=100.0)
    """The most that lies in and beside a bin; above 100 deposits shrink toward it."""

    # Collection rounds
    target_fill_pct: PositiveFloat = 85.0
    """The fill that the planner expects at most when the truck comes."""
    planning_error_sigma: NonNegativeFloat = 0.25
    """Log error of the rates that the planner believes in."""
    visit_hours: tuple[float, float] = (5.5, 10.5)
    """Local hours of day between which rounds reach their bins."""
    visit_delay_sd_min: NonNegativeFloat = 12.0
    missed_share: float = Field(default=0.06, ge=0.0, le=1.0)
    partial_share: float = Field(default=0.03, ge=0.0, le=1.0)
    partial_stays: tuple[float, float] = (0.2, 0.5)
    """Share of the content that stays after a partial emptying."""
    residue_pct: float = Field(default=1.5, ge=0.0, le=20.0)
    """What sticks to an emptied bin at most."""
    plan_ahead_days: int = Field(default=14, ge=0)
    """How far past the end of the simulation visits are planned."""

    # Sensors
    report_interval_h: float = Field(default=1.0, ge=0.1, le=48.0)
    noise_pct: NonNegativeFloat = 2.0
    step_pct: NonNegativeFloat = 1.0
    """Readings are multiples of this; 0 leaves them continuous."""
    spike_share: float = Field(default=0.006, ge=0.0, le=0.5)
    spike_pct: tuple[float, float] = (25.0, 70.0)
    lost_share: float = Field(default=0.04, ge=0.0, le=1.0)
    gap_every_days: PositiveFloat = 40.0
    gap_hours: tuple[float, float] = (6.0, 60.0)
    stuck_share: float = Field(default=0.15, ge=0.0, le=1.0)
    stuck_hours: tuple[float, float] = (12.0, 72.0)
    erratic_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the bins with a spell in which the sensor jumps up and down, and then recovers."""
    erratic_hours: tuple[float, float] = (72.0, 504.0)
    erratic_draws_per_day: tuple[float, float] = (6.0, 24.0)
    """How often an erratic sensor finds another echo; half of them are true."""
    erratic_pct: tuple[float, float] = (20.0, 60.0)
    """How far off the others are."""
    echoes_per_month: NonNegativeFloat = 0.0
    """How often, in 30 days, a false echo holds for some hours and then returns."""
    echo_hours: tuple[float, float] = (3.0, 48.0)
    echo_pct: tuple[float, float] = (20.0, 60.0)
    moved_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the bins whose sensor is moved once: from then on it sees everything higher or lower by so much."""
    moved_pct: tuple[float, float] = (10.0, 30.0)
    revised_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the readings heard with a rough value first, and with the right one some hours later."""
    revised_hours: tuple[float, float] = (1.0, 48.0)
    revised_pct: NonNegativeFloat = 5.0
    """Standard deviation of the rough value's further error."""
    delay_s: NonNegativeFloat = 20.0
    """Mean time from measuring to hearing, when nothing goes wrong."""
    late_share: float = Field(default=0.01, ge=0.0, le=1.0)
    late_hours: tuple[float, float] = (0.5, 12.0)
    distance_share: float = Field(default=0.10, ge=0.0, le=1.0)
    """Share of the bins whose sensor reports `distance_mm` instead of `fill_pct`."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"found timezone {value!r}, expected an IANA name such as 'Europe/Prague'")
        return value

    @field_validator("country")
    @classmethod
    def _known_country(cls, value: str) -> str:
        if value not in holidays.list_supported_countries():
            raise ValueError(f"found country {value!r}, expected an ISO code that `holidays` knows, such as 'CZ'")
        return value

    @field_validator("start")
    @classmethod
    def _on_the_hour(cls, value: datetime) -> datetime:
        utc = value.astimezone(UTC)
        if (utc.minute, utc.second, utc.microsecond) != (0, 0, 0):
            raise ValueError(f"found start {value.isoformat()}, expected a full hour in UTC")
        return utc

    @field_validator("site_kind_shares")
    @classmethod
    def _known_kinds(cls, value: dict[str, float]) -> dict[str, float]:
        return _checked_shares(value, set(SITE_KINDS))

    @field_validator("stream_shares")
    @classmethod
    def _known_streams(cls, value: dict[str, float]) -> dict[str, float]:
        return _checked_shares(value, set(STREAMS))

    @field_validator(
        "event_hours", "event_factor", "visit_hours", "partial_stays", "spike_pct", "gap_hours", "stuck_hours",
        "erratic_hours", "erratic_draws_per_day", "erratic_pct", "revised_hours", "late_hours", "echo_hours",
        "echo_pct", "moved_pct", "compaction_share",
    )  # fmt: skip
    @classmethod
    def _rising(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 <= value[0] <= value[1]:
            raise ValueError(f"found the range {value}, expected 0 <= lowest <= highest")
        return value

    @property
    def hours(self) -> int:
        """Number of simulated hours."""
        return 24 * self.days

    @property
    def zone(self) -> ZoneInfo:
        """The city's timezone."""
        return ZoneInfo(self.timezone)


def _checked_shares(shares: dict[str, float], known: set[str]) -> dict[str, float]:
    unknown = set(shares) - known
    if unknown or sum(shares.values()) <= 0:
        raise ValueError(f"found {shares}, expected shares that are not all zero of {sorted(known)}")
    return shares
