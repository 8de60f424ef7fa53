from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.environment import read_environment


class MonitorSettings(BaseSettings):
    """When a model is to be trained anew; variables BRIMCAST_MONITOR_... set it otherwise. Shares are of 1."""

    model_config = SettingsConfigDict(env_prefix="BRIMCAST_MONITOR_", extra="forbid", frozen=True)

    days: int = Field(default=14, ge=7, multiple_of=7, description="the newest days that are watched: whole weeks")
    least_days: int = Field(default=7, ge=7, multiple_of=7, description="of them at least so many after the training")
    reference_days: int = Field(default=56, ge=14, multiple_of=7, description="the end of the training to compare with")
    bins: int = Field(default=60, gt=0, description="bins that are asked where no forecast was recorded, at random")
    every_h: float = Field(default=12.0, gt=0, description="hours between the moments at which they are asked")
    horizons_h: tuple[float, ...] = Field(default=(6.0, 12.0, 24.0, 48.0, 72.0), min_length=1)
    least_blocks: int = Field(default=10, ge=5, description="bin-weeks without which accuracy cannot be told")
    coverage: tuple[float, float] = Field(default=(0.72, 0.88), description="band of what the 80% interval holds")
    least_skill: float = Field(default=0.0, lt=1, description="CRPS to be saved against the weekday rate")
    least_bins: int = Field(default=8, ge=8, description="bins without which no drift can be told: 2^8 signs")
    surely: float = Field(default=0.01, gt=0, lt=0.5, description="so small a chance of as much among equals")
    silent_surely: float = Field(default=0.05, gt=0, lt=0.5, description="the same of silence: six bins are enough")
    draws: int = Field(default=2000, ge=200, description="of signs, by which that chance is told")
    silent: float = Field(default=0.1, gt=0, description="share of bin-days without a reading: so much more")
    reading_rate: float = Field(default=0.3, gt=0, description="readings a day: so much more or less, as a share")
    emptying_rate: float = Field(default=0.4, gt=0, description="emptyings a day: so much more or less, as a share")
    level_psi: float = Field(default=0.25, gt=0, description="population stability index of the levels read")
    new_bins: float = Field(default=0.1, gt=0, le=1, description="share of the bins heard that have no profile")
    seed: int = 0


def read_monitor_settings(**given: Any) -> MonitorSettings:
    """The settings of the environment, or `given` where that is not None. Raises InputError."""
    return read_environment(MonitorSettings, "The monitor's setting", given)
