from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from data.errors import InputError
from data.settings import known_country


class ModelSettings(BaseModel):
    """How a model is fitted; kept with the model, so that a fit can be repeated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    country: str | None = Field(
        default=None, description="ISO code of the country whose public holidays count", examples=["CZ"]
    )
    examples: int = Field(default=120_000, gt=0, description="at most so many rows to learn from")
    trees: int = Field(default=110, gt=0, description="trees of each booster")
    leaves: int = Field(default=63, gt=1, description="leaves of each tree")
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    leaf_examples: int = Field(default=50, gt=0, description="rows that a leaf needs at least")
    networks: int = Field(default=4, gt=0, description="neural networks beside the boosters")
    epochs: int = Field(default=12, gt=0, description="times that networks see each example")
    fewest_steps: int = Field(default=200, gt=0, description="steps that networks are taught at least")
    dropout: float = Field(default=0.3, ge=0, lt=1, description="share of a network's units left out at each step")
    folds: int = Field(default=4, gt=1, description="blocks of time; a row's profile is learned from the other blocks")
    outages: float = Field(default=0.1, ge=0, lt=1, description="share of situations in which an outage is played")
    strangers: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="share of situations in which a bin is unknown; in half its stream is, too; half are new bins",
    )
    threads: int = Field(
        default=2, gt=0, exclude=True, description="boosters and networks fitted at a time; does not change them"
    )
    seed: int = Field(default=0, ge=0)

    @field_validator("country")
    @classmethod
    def _known_country(cls, country: str | None) -> str | None:
        return known_country(country)

    @property
    def booster_parameters(self) -> dict[str, Any]:
        """LightGBM's names for them."""
        return {
            "num_leaves": self.leaves, "learning_rate": self.learning_rate, "min_data_in_leaf": self.leaf_examples,
            "feature_fraction": 0.7, "bagging_fraction": 0.7, "bagging_freq": 1, "max_bin": 127,
            "extra_trees": True,
        }  # fmt: skip


def read_model_settings(path: Path | None, country: str | None) -> ModelSettings:
    """The settings of a JSON file (None: the defaults), for this country where one is named. Raises InputError."""
    given: dict[str, Any] = {}
    try:
        if path is not None:
            given = json.loads(path.read_text())
            if not isinstance(given, dict):
                raise TypeError(f"found {type(given).__name__}, not an object")
        return ModelSettings(**{**given, **({"country": country} if country else {})})
    except (OSError, ValueError, TypeError) as error:
        said = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError(
            f"The settings in {path} cannot be used ({said})",
            expected=f"a JSON object with some of {', '.join(ModelSettings.model_fields)}",
            remedy="Correct it, or let `brimcast training tune --out` write one.",
            example='{"trees": 200, "learning_rate": 0.05}',
        ) from error
