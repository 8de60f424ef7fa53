"""The doors of the platforms' payloads: POST /v1/adapters/{ngsi-ld|golemio|ttn|chirpstack}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Body, FastAPI, Query, Request

from data.adapters.chirpstack import read_chirpstack
from data.adapters.delivery import Delivery, PayloadError
from data.adapters.golemio import read_golemio
from data.adapters.ngsi_ld import read_ngsi_ld
from data.adapters.ttn import read_ttn
from serving.adapters import CHIRPSTACK, GOLEMIO, NGSI_LD, TTN, Platform, refusal, take
from serving.answers import AdapterAnswer
from serving.live import Live

Payload = Annotated[Any, Body()]
Event = Annotated[str | None, Query(description="as ChirpStack's integration adds it: up, join, ack, ...")]


def add_adapters(app: FastAPI) -> None:
    """Add a route for each platform."""

    @app.post(NGSI_LD.path, **_told(NGSI_LD))
    def ngsi_ld(payload: Payload, request: Request) -> AdapterAnswer:
        """WasteContainer entities in any representation: fillingLevel (0-1) is a reading, dateLastEmptying an emptying.

        The bin of urn:ngsi-ld:WasteContainer:bin-0001 is bin-0001; another id is a bin_id as it stands.
        """
        return _take(request, lambda: read_ngsi_ld(payload))

    @app.post(GOLEMIO.path, **_told(GOLEMIO))
    def golemio(payload: Payload, request: Request) -> AdapterAnswer:
        """Arrays as /v2/sortedwastestations/measurements and /picks give them; a container's id is its bin_id."""
        return _take(request, lambda: read_golemio(payload))

    @app.post(TTN.path, **_told(TTN))
    def ttn(payload: Payload, request: Request) -> AdapterAnswer:
        """Uplinks with a decoded payload; the bin is the one in which the bins table has the DevEUI as `device_id`.

        Messages that are no uplink are answered 200 and ignored.
        """
        return _take(request, lambda: read_ttn(payload))

    @app.post(CHIRPSTACK.path, **_told(CHIRPSTACK))
    def chirpstack(payload: Payload, request: Request, event: Event = None) -> AdapterAnswer:
        """Uplinks with a decoded object; the bin is the one in which the bins table has the DevEUI as `device_id`.

        Events that are no uplink are answered 200 and ignored.
        """
        return _take(request, lambda: read_chirpstack(payload, event))


def _told(platform: Platform) -> dict[str, Any]:
    return {"summary": platform.summary, "tags": ["adapters"], "openapi_extra": platform.body()}


def _take(request: Request, read: Callable[[], Delivery]) -> AdapterAnswer:
    live: Live = request.app.state.live
    try:
        delivery = read()
    except PayloadError as error:
        raise refusal(error) from error
    return take(live.store(), delivery, live.now())
