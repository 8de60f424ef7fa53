"""What clients send: each message a frozen pydantic model with an example; unknown fields are errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from data.tables import FILL_MAX_PCT, FILL_MIN_PCT
from serving.moments import BinId, BinName, Moment, Number, Text, integral
from serving.wording import said

MAX_ROWS = 10_000
MAX_BINS = 20_000
HORIZON_MAX_H = 14 * 24.0
MAX_POINTS = 200_000
"""Bins times horizons of one answer: it is some 100 bytes each."""


class Message(BaseModel):
    """Part of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _worded(cls, sent: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        """Errors speak to clients from here on: BentoML tells neither what was found nor what was expected."""
        try:
            return check(sent)
        except ValidationError as error:
            worded: list[InitErrorDetails] = [
                {"type": PydanticCustomError("worded", "{said}", {"said": said(one)}), "loc": one["loc"], "input": None}
                for one in error.errors(include_url=False)
            ]
            raise ValidationError.from_exception_data(cls.__name__, worded) from None


Horizon = Annotated[Number, Field(gt=0, le=HORIZON_MAX_H, description="hours from as_of, at most 336 (14 days)")]
Level = Annotated[Number, Field(ge=0.01, le=0.99, description="a probability")]
FullPct = Annotated[
    Number | None,
    Field(ge=1, le=100, description="percent at which a bin counts as full; default: each bin's own full_pct"),
]
Limit = Annotated[int, Field(strict=True, ge=1, le=1_000_000), BeforeValidator(integral)]
AsOf = Annotated[
    Moment | None,
    Field(description="make the forecast as of this moment, from what had been heard by then; default: now"),
]


class ForecastRequest(Message):
    """How full these bins will be, and when they will be full, if nobody empties them first."""

    bin_ids: Annotated[list[BinId], Field(min_length=1, max_length=MAX_BINS)]
    horizons_h: Annotated[list[Horizon], Field(min_length=1, max_length=64)] = [6.0, 24.0, 72.0]
    as_of: AsOf = None
    full_pct: FullPct = None
    quantiles: Annotated[list[Level], Field(min_length=1, max_length=19)] = [0.1, 0.5, 0.9]


class Visit(Message):
    """A planned stop of a truck at a bin."""

    bin_id: BinId
    at: Moment


class DueRequest(Message):
    """Which bins must be emptied, so that by `by` the probability of being full stays within `risk`."""

    by: Annotated[Moment, Field(description="the moment until which bins must not be full; at most 14 days ahead")]
    risk: Annotated[Number, Field(gt=0, lt=1, description="the probability of being full that is accepted")] = 0.1
    full_pct: FullPct = None
    bin_ids: Annotated[list[BinId] | None, Field(max_length=MAX_BINS, description="default: every bin")] = None
    visits: Annotated[
        list[Visit],
        Field(max_length=MAX_ROWS, description="planned visits: a bin's own next visit stands in for `by`"),
    ] = []
    skip: Annotated[
        list[BinId],
        Field(max_length=MAX_BINS, description="what if these are not emptied: those due are in `skipped` instead"),
    ] = []
    limit: Annotated[Limit | None, Field(description="at most so many bins")] = None
    max_volume_l: Annotated[
        Number | None, Field(gt=0, description="the most urgent bins that together hold at most so many litres")
    ] = None
    format: Annotated[
        Literal["json", "vroom", "ngsi-ld", "lwm2m"],
        Field(
            description="vroom: jobs for the VROOM route optimiser, in unix seconds; ngsi-ld: WasteContainer entities "
            "with nextActuationDeadline and the forecast; lwm2m: resources 8 and 10 of object 3435"
        ),
    ] = "json"
    as_of: AsOf = None


EXAMPLES: dict[str, dict[str, Any]] = {
    "ForecastRequest": {"bin_ids": ["bin-0001", "bin-0002"], "horizons_h": [6, 24, 72]},
    "DueRequest": {"by": "2026-03-02T06:00:00+01:00", "risk": 0.1, "limit": 40},
}
"""Told by `serving.openapi`: BentoML, which also reads these two models' schemas, cannot take examples in them."""


class ReadingRow(BaseModel):
    """One sensor report. It needs `fill_pct`, or `distance_mm` where the bin has empty_mm and full_mm."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"bin_id": "bin-0001", "measured_at": "2026-03-01T12:00:00Z", "fill_pct": 63.5}],
            "anyOf": [{"required": ["fill_pct"]}, {"required": ["distance_mm"]}],
        }
    )

    bin_id: BinId
    measured_at: Moment
    fill_pct: Number = Field(default=0.0, ge=FILL_MIN_PCT, le=FILL_MAX_PCT, description="percent of usable capacity")
    distance_mm: Number = Field(default=0.0, description="millimetres from the sensor to the waste")
    received_at: Moment | None = Field(default=None, description="when it was heard of; default: now")
    temperature_c: Number | None = None
    battery_pct: Number | None = None
    quality: Number | None = Field(default=None, ge=0, le=100)


class BinRow(BaseModel):
    """What is known of one bin. A row replaces what was known of the bin (and device) before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "bin_id": "bin-0001",
                    "timezone": "Europe/Prague",
                    "stream": "paper",
                    "latitude": 50.08,
                    "longitude": 14.43,
                    "capacity_l": 1100,
                }
            ]
        }
    )

    bin_id: BinName
    timezone: Text = Field(description="IANA name", examples=["Europe/Prague"])
    stream: Text | None = Field(default=None, description="mixed (default), paper, plastic, glass, organic, ...")
    site_kind: Text | None = None
    latitude: Number | None = Field(default=None, ge=-90, le=90)
    longitude: Number | None = Field(default=None, ge=-180, le=180)
    capacity_l: Number | None = Field(default=None, gt=0)
    full_pct: Number | None = Field(
        default=None, ge=1, le=200, description="percent at which it counts as full; default 95; over 100 as 100"
    )
    empty_mm: Number | None = Field(default=None, description="distance from sensor to the floor of the empty bin")
    full_mm: Number | None = Field(default=None, description="distance from sensor to the waste when full")
    device_id: Text | None = None
    valid_from: Moment | None = None
    valid_to: Moment | None = None
    name: Text | None = None

    @model_validator(mode="after")
    def _possible(self) -> BinRow:
        if self.valid_from is not None and self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"valid_to {self.valid_to.isoformat()} is not after valid_from")
        if self.empty_mm is not None and self.empty_mm == self.full_mm:
            raise ValueError(f"empty_mm and full_mm are both {self.empty_mm:g}: no distance tells the fill")
        return self


class EmptyingRow(BaseModel):
    """One pick-up that happened."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"bin_id": "bin-0001", "emptied_at": "2026-03-01T07:40:00Z"}]}
    )

    bin_id: BinName
    emptied_at: Moment
    received_at: Moment | None = Field(default=None, description="when it was heard of; default: now")
    fill_before_pct: Number | None = Field(default=None, ge=FILL_MIN_PCT, le=FILL_MAX_PCT)
    fill_after_pct: Number | None = Field(
        default=None, ge=FILL_MIN_PCT, le=FILL_MAX_PCT, description="what stayed in it; default: nothing"
    )
    source: Literal["reported", "detected"] | None = None
    probability: Number | None = Field(default=None, ge=0, le=1)


class WeatherRow(BaseModel):
    """The weather of one hour, as observed, or as forecast by the moment of issue."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "at": "2026-03-02T09:00:00Z",
                    "issued_at": "2026-03-01T12:00:00Z",
                    "temperature_c": 4.5,
                    "precipitation_mm": 0.2,
                }
            ],
            "anyOf": [{"required": ["temperature_c"]}, {"required": ["precipitation_mm"]}],
        }
    )

    at: Moment = Field(description="the beginning of the hour")
    issued_at: Moment = Field(description="when it was known: a forecast's is before `at`")
    temperature_c: Number | None = Field(default=None, ge=-95, le=65)
    precipitation_mm: Number | None = Field(default=None, ge=0, le=500, description="millimetres in the hour")


ANYTHING = {"title": "Anything else", "description": "is set aside, and told in `rejected` with its reason"}


def _rows(row: type[BaseModel]) -> Any:
    """A list whose rows are checked one by one later, so that one bad row does not turn the good ones away."""
    schema = row.model_json_schema()
    example = schema.pop("examples", [])
    return Annotated[
        list[Any],
        Field(min_length=1, max_length=MAX_ROWS, examples=[example]),
        WithJsonSchema(
            {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_ROWS,
                "items": {"anyOf": [schema, ANYTHING]},
                "examples": [example],
            },
            mode="validation",
        ),
    ]


class ReadingsRequest(Message):
    """Sensor readings, up to 10,000; good rows are kept even when others are bad."""

    readings: _rows(ReadingRow)  # type: ignore[valid-type]  # its schema comes from the row's model


class BinsRequest(Message):
    """Bins, up to 10,000."""

    bins: _rows(BinRow)  # type: ignore[valid-type]  # as above


class EmptyingsRequest(Message):
    """Emptyings that happened, up to 10,000."""

    emptyings: _rows(EmptyingRow)  # type: ignore[valid-type]  # as above


class WeatherRequest(Message):
    """Weather of the city, forecast or observed, up to 10,000 hours."""

    weather: _rows(WeatherRow)  # type: ignore[valid-type]  # as above


class BinsQuery(BaseModel):
    """Which of all bins are told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    after: Annotated[
        str, Field(max_length=200, pattern=r"^[^\x00]*$", description="bins whose bin_id comes after this one")
    ] = ""


class BinQuery(BaseModel):
    """How far back a bin's readings are told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[float, Field(gt=0, le=366, allow_inf_nan=False)] = 14
