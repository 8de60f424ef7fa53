import re
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.environment import read_environment


class Settings(BaseSettings):
    """What may be set from outside: variables BRIMCAST_... and MLFLOW_TRACKING_URI. Use `read_settings()`.

    `home` holds all state that is not set to be elsewhere. `country` (ISO 3166, such as CZ) names the public
    holidays that count; None means that none do. `store_migrate`: whether a store of an older revision is migrated when
    the service starts or data are loaded, or refused with the command to run. `store_wait_s`: how long a call waits for
    the database, or for who holds its locks, before it fails; None means 30 s for commands, and for the service a time
    in which its clients still wait. `registry_every_s`: how often the service asks the registry for a new champion; 0
    means never. `keys`, `keys_file`: the service's keys as `serving.keys` reads them (digests, never a key), beside or
    in place of the file `keys` in the home. `requests_per_min`: how many requests a worker answers to one key, on
    average. `record_share`: of what share of the bins, drawn anew every hour, a forecast is kept to be scored later; 0
    means none. `score_every_s`: how often those that are due are scored; 0 means never. `shadow`: whether the
    challenger is asked the same. `cors_origins`: web pages of which other hosts may call the service, comma-separated.
    `log_level`: `info` tells refused and failed requests, `debug` every one.
    """

    model_config = SettingsConfigDict(env_prefix="BRIMCAST_", extra="forbid", frozen=True, populate_by_name=True)

    home: Path = Path(".brimcast")
    store: str = ""
    store_migrate: bool = True
    store_wait_s: float | None = Field(default=None, gt=0, le=600)
    registry_every_s: float = Field(default=10.0, ge=0, le=3600)
    country: str | None = None
    keys: str = Field(default="", repr=False)
    keys_file: Path | None = None
    requests_per_min: float = Field(default=6000.0, ge=1, le=1e7)
    record_share: float = Field(default=0.02, ge=0, le=1)
    score_every_s: float = Field(default=1800.0, ge=0, le=86_400)
    shadow: bool = False
    cors_origins: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    tracking_uri: str = Field(default="", validation_alias=AliasChoices("BRIMCAST_TRACKING_URI", "MLFLOW_TRACKING_URI"))

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("keys_file")
    @classmethod
    def _absolute_file(cls, file: Path | None) -> Path | None:
        return None if file is None else file.expanduser().absolute()

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, listed: str) -> str:
        for origin in listed.split(","):
            if origin.strip() and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", origin.strip()):
                raise ValueError("expected origins such as https://board.city.example, without a path")
        return listed

    @field_validator("country")
    @classmethod
    def _known_country(cls, country: str | None) -> str | None:
        return known_country(country)

    def model_post_init(self, context: Any, /) -> None:
        """Fill in what lies in `home` unless set: the store and MLflow's database."""
        for name, file in (("store", "store.db"), ("tracking_uri", "mlflow.db")):
            if not getattr(self, name):
                object.__setattr__(self, name, f"sqlite:///{self.home / file}")


def known_country(country: str | None) -> str | None:
    """The ISO 3166 code in capitals, None for an empty one. Raises ValueError where no public holidays are known."""
    if not country:
        return None
    if len(country) != 2 or not country.isalpha():
        raise ValueError("expected a two-letter code (ISO 3166), such as CZ")
    import holidays  # takes its time; only needed where a country is named

    if country.upper() not in holidays.list_supported_countries():
        raise ValueError("no public holidays are known of it")
    return country.upper()


def read_settings(**given: Any) -> Settings:
    """Settings from the environment, or from `given` where that is not None. Raises InputError."""
    return read_environment(Settings, "The setting", given)
