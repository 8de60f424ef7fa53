"""The due list as NGSI-LD entities: what a broker's WasteContainers are to know of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from data.adapters.ngsi_ld import KIND, urn_of
from serving.answers import DueAnswer, DueBin, Listing

CONTEXT = [
    "https://raw.githubusercontent.com/smart-data-models/dataModel.WasteManagement/master/context.jsonld",
    "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
]


class Moment(BaseModel):
    """A moment as NGSI-LD writes it."""

    model_config = ConfigDict(serialize_by_alias=True)

    kind: Literal["DateTime"] = Field(alias="@type")
    moment: AwareDatetime = Field(alias="@value")


class Deadline(BaseModel):
    """A Property whose value is a moment."""

    type: Literal["Property"]
    value: Moment
    observedAt: AwareDatetime = Field(description="when the forecast was made")  # noqa: N815 - NGSI-LD's own word


class Forecast(BaseModel):
    """A Property whose value is an object; what is unknown is left out, as NGSI-LD knows no null."""

    type: Literal["Property"]
    value: dict[str, Any] = Field(
        description="status, reasons, pFull, expectedFillPct, latestSafeEmptyingAt, fullAt (p10, p50, p90), model"
    )
    observedAt: AwareDatetime = Field(description="when the forecast was made")  # noqa: N815 - as above


class Container(BaseModel):
    """A WasteContainer: without id and type the body of a PATCH of its attributes.

    No data model has a forecast, so its attribute's name is a whole URI of our own, which needs no @context.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    id: str
    type: Literal["WasteContainer"]
    deadline: Deadline = Field(alias="nextActuationDeadline")
    forecast: Forecast = Field(alias="urn:brimcast:fillForecast")
    context: list[str] = Field(alias="@context")


class NgsiLdAnswer(Listing):
    """The due bins as entities, for POST /ngsi-ld/v1/entityOperations/upsert?options=update of a broker."""

    model_config = ConfigDict(serialize_by_alias=True)

    entities: list[Container]


def ngsi_ld(answer: DueAnswer) -> NgsiLdAnswer:
    """The same bins, in the same order, as entities that tell only what is forecast.

    nextActuationDeadline is the latest safe emptying; where that has passed, the moment of the forecast: at once.
    """
    model = f"{answer.model.name} {answer.model.version}"
    return NgsiLdAnswer.model_construct(entities=[_container(due, model) for due in answer.due], **answer.beside())


def _container(due: DueBin, model: str) -> Container:
    safe = due.latest_safe_emptying_at
    value = {
        "status": due.status,
        "reasons": list(due.reasons) or None,
        "pFull": due.p_full,
        "expectedFillPct": due.expected_fill_pct,
        "latestSafeEmptyingAt": safe,
        "fullAt": _known({"p10": due.full_at.p10, "p50": due.full_at.p50, "p90": due.full_at.p90}),
        "model": model,
    }
    moment = Moment.model_construct(kind="DateTime", moment=due.as_of if safe is None else safe)
    return Container.model_construct(
        id=urn_of(due.bin_id),
        type=KIND,
        deadline=Deadline.model_construct(type="Property", value=moment, observedAt=due.as_of),
        forecast=Forecast.model_construct(type="Property", value=_known(value), observedAt=due.as_of),
        context=CONTEXT,
    )


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
