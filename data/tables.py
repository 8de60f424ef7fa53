"""The tables that come in, each declared once: column, type, unit and meaning, and whether it must be there."""

import pandera.pandas as pa

UTC = "datetime64[us, UTC]"
FILL_MIN_PCT, FILL_MAX_PCT = -5.0, 200.0
FULL_PCT = 95.0
CLOCK_SLACK_MIN = 5.0


def _column(kind: object, description: str, *, required: bool = False, **more: object) -> pa.Column:
    return pa.Column(kind, description=description, required=required, nullable=not required, **more)


READINGS = pa.DataFrameSchema(
    {
        "bin_id": _column(str, "the bin", required=True),
        "measured_at": _column(UTC, "when the sensor measured, UTC", required=True),
        "received_at": _column(UTC, "when we heard of it, UTC; default in files: measured_at", required=True),
        "fill_pct": _column(
            float, "percent of usable capacity; 0 empty, 100 the rim", required=True,
            checks=pa.Check.in_range(FILL_MIN_PCT, FILL_MAX_PCT),
        ),
        "temperature_c": _column(float, "degrees Celsius in the bin"),
        "battery_pct": _column(float, "percent of the battery left"),
        "quality": _column(float, "the sensor's own trust in the reading, 0-100"),
    },
    name="readings",
    strict=True,
)  # fmt: skip

BINS = pa.DataFrameSchema(
    {
        "bin_id": _column(str, "the bin", required=True),
        "timezone": _column(str, "IANA name of the bin's timezone", required=True),
        "stream": _column(str, "what is thrown in: mixed, paper, plastic, glass, organic, ...", required=True),
        "site_kind": _column(str, "where the bin stands: park, transit, street, ..."),
        "latitude": _column(float, "degrees north", checks=pa.Check.in_range(-90, 90)),
        "longitude": _column(float, "degrees east", checks=pa.Check.in_range(-180, 180)),
        "capacity_l": _column(float, "litres", checks=pa.Check.gt(0)),
        "full_pct": _column(float, "percent at which the bin counts as full", required=True,
                            checks=pa.Check.in_range(1, 200)),
        "empty_mm": _column(float, "millimetres from the sensor to the floor of the empty bin"),
        "full_mm": _column(float, "millimetres from the sensor to the waste when full"),
        "device_id": _column(str, "the sensor's own id"),
        "valid_from": _column(UTC, "the sensor sits in this bin from then on, UTC"),
        "valid_to": _column(UTC, "and until then, UTC"),
        "name": _column(str, "a name for people"),
    },
    name="bins",
    strict=True,
)  # fmt: skip

EMPTYINGS = pa.DataFrameSchema(
    {
        "bin_id": _column(str, "the bin", required=True),
        "emptied_at": _column(UTC, "when it was emptied, UTC", required=True),
        "received_at": _column(UTC, "when we heard of it, UTC; default: emptied_at", required=True),
        "fill_before_pct": _column(float, "percent just before"),
        "fill_after_pct": _column(float, "percent just after"),
        "source": _column(str, "reported or detected", required=True, checks=pa.Check.isin(["reported", "detected"])),
        "probability": _column(float, "that it happened, 0-1", checks=pa.Check.in_range(0, 1)),
    },
    name="emptyings",
    strict=True,
)

WEATHER = pa.DataFrameSchema(
    {
        "at": _column(UTC, "the moment the weather is for, UTC", required=True),
        "issued_at": _column(UTC, "when it was known, UTC; a forecast's is before at; default: at", required=True),
        "temperature_c": _column(float, "degrees Celsius"),
        "precipitation_mm": _column(float, "millimetres in the hour that begins at at"),
    },
    name="weather",
    strict=True,
)

WINDOWS = pa.DataFrameSchema(
    {
        "bin_id": _column(str, "the bin", required=True),
        "as_of": _column(UTC, "the moment the forecast is made, UTC", required=True),
        "at": _column(UTC, "the moment forecast, UTC", required=True),
    },
    name="windows",
    strict=True,
)

_PERCENT = pa.Check.in_range(0, 100)
GIVEN = pa.DataFrameSchema(
    {
        "bin_id": _column(str, "the bin", required=True),
        "as_of": _column(UTC, "the moment the forecast is made, UTC", required=True),
        "at": _column(UTC, "the moment forecast, UTC", required=True),
        "role": _column(
            str, "champion (answered with), shadow (a challenger) or baseline: asked the same beside it", required=True,
            checks=pa.Check.isin(["champion", "shadow", "baseline"]),
        ),
        "model_name": _column(str, "the registered model's name, or the baseline's", required=True),
        "model_version": _column(str, "and its version; of a baseline nothing", required=True),
        "given_at": _column(UTC, "when it was told, UTC", required=True),
        **{
            f"q{level:02d}": _column(float, "percent, not exceeded so often", required=True, checks=_PERCENT)
            for level in (5, *range(10, 100, 10), 95)
        },
        "mean": _column(float, "expected percent", required=True, checks=_PERCENT),
        "p_full": _column(float, "probability of full_pct or more", required=True, checks=pa.Check.in_range(0, 1)),
        "full_pct": _column(float, "percent at which the bin counted as full", required=True),
        "status": _column(str, "of the sensor, as the forecast told it", required=True),
    },
    name="given",
    strict=True,
)  # fmt: skip
VISITS = pa.DataFrameSchema(
    {
        "bin_id": _column(str, "the bin", required=True),
        "planned_at": _column(UTC, "when a truck is to come, UTC", required=True),
    },
    name="visits",
    strict=True,
)

TABLES: dict[str, pa.DataFrameSchema] = {
    schema.name: schema for schema in (READINGS, BINS, EMPTYINGS, WEATHER, WINDOWS, VISITS)
}
