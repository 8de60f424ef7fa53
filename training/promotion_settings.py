from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.environment import read_environment


class PromotionSettings(BaseSettings):
    """What a challenger must reach: windows, margins and bands; variables BRIMCAST_PROMOTION_... set them otherwise.

    Shares are of 1: `slice_margin` 0.02 is two percent.
    """

    model_config = SettingsConfigDict(env_prefix="BRIMCAST_PROMOTION_", extra="forbid", frozen=True)

    least_days: float = Field(default=7.0, ge=1, description="at least so many days: every day of the week")
    weeks: float = Field(
        default=4.0, gt=0, le=26, description="at most so many of the newest weeks: the season that is to come"
    )
    every_h: float = Field(default=6.0, gt=0, description="hours between origins")
    horizons_h: tuple[float, ...] = Field(default=(6.0, 12.0, 24.0, 48.0, 72.0), min_length=1)
    bins: int = Field(default=500, gt=0, description="about so many bins are asked, at random")
    stream_bins: int = Field(default=20, ge=0, description="and of each stream at least so many, where it has them")
    new_bins: int = Field(default=60, ge=0, description="bins asked a second time as if they were new")
    replay_bins: int = Field(default=100, ge=0, description="bins collected from in the replay")
    replay_margin: float = Field(
        default=0.1,
        ge=0,
        description="no more emptyings at equal overflow, if that can be told, nor surely any",
    )
    draws: int = Field(default=1000, ge=100, description="of the bootstrap")
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="of each bound; of the slices' all together")
    least_blocks: int = Field(default=10, ge=2, description="bin-weeks that a slice needs to be judged by")
    same: float = Field(default=0.005, ge=0, description="by so little two seeds of one recipe differ overall: equal")
    overall_margin: float = Field(
        default=0.05, ge=0, description="surely no worse overall than by this: enough is known"
    )
    slice_margin: float = Field(default=0.02, ge=0, description="no slice surely worse than by this")
    coverage: tuple[float, float] = Field(default=(0.74, 0.86), description="band of what the 80% interval holds")
    stream_coverage: tuple[float, float] = Field(
        default=(0.68, 0.92), description="band that no stream is surely outside"
    )
    p_full_error: float = Field(
        default=0.05, ge=0, description="p_full off by at most this, in the mean over forecasts"
    )
    slack: float = Field(default=0.01, ge=0, description="outside a band: by so much further off than the champion")
    seed: int = 0

    @field_validator("weeks")
    @classmethod
    def _long_enough(cls, weeks: float, told: ValidationInfo) -> float:
        least_days = told.data.get("least_days", 0.0)
        if weeks * 7 < least_days:
            raise ValueError(f"expected at least least_days, {least_days:g} days")
        return weeks


def read_promotion_settings(**given: Any) -> PromotionSettings:
    """The settings of the environment, or `given` where that is not None. Raises InputError."""
    return read_environment(PromotionSettings, "The promotion's setting", given)
