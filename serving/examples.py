"""Answers as a client may get them, for the OpenAPI document: what a city with a few hundred bins is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from serving.answers import (
    AdapterAnswer,
    Alive,
    BinAnswer,
    BinForecast,
    BinsAnswer,
    Counts,
    DueAnswer,
    DueBin,
    ForecastAnswer,
    FullAt,
    IntakeAnswer,
    ModelCard,
    ModelNamed,
    Point,
    Profile,
    Ready,
    RejectedRow,
    Scores,
    Skill,
    Skipped,
)
from serving.lwm2m import OBJECT, FillingLevel, Lwm2mAnswer, Record
from serving.messages import EXAMPLES, BinRow, EmptyingRow, ReadingRow
from serving.ngsi_ld import ngsi_ld
from serving.scorecards import LiveScores, ModelScores, Scorecard, Shadow
from serving.vroom import vroom

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY = datetime.fromisoformat(EXAMPLES["DueRequest"]["by"])
FIRST, SECOND, SILENT, UNKNOWN = "bin-0001", "bin-0002", "bin-0107", "bin-9999"
MODEL = ModelNamed(name="brimcast", version="7", trained_until=AS_OF - timedelta(days=4))
FULL = FullAt(p10=AS_OF + timedelta(hours=12), p50=AS_OF + timedelta(hours=22), p90=AS_OF + timedelta(hours=34))
NEVER = FullAt(p10=None, p50=None, p90=None)
STALE = "silent: the newest reading is 31 h old"


def answers() -> dict[tuple[str, str], dict[str, Any]]:
    """By method and path what a 200 answer holds: the media type's `example`, or `examples` where it has many forms."""
    due = {"json": DUE, "vroom": vroom(DUE, BY), "ngsi-ld": ngsi_ld(DUE), "lwm2m": LWM2M}
    single: dict[tuple[str, str], BaseModel] = {
        ("post", "/v1/forecast"): FORECAST,
        ("post", "/v1/readings"): READINGS,
        ("post", "/v1/emptyings"): KEPT,
        ("post", "/v1/weather"): KEPT,
        ("put", "/v1/bins"): KEPT,
        ("get", "/v1/bins"): BinsAnswer(bins=[BIN], next_after=FIRST),
        ("get", "/v1/bins/{bin_id}"): ONE_BIN,
        ("get", "/v1/model"): CARD,
        ("get", "/v1/scorecard"): SCORECARD,
        ("post", "/v1/adapters/ngsi-ld"): TAKEN,
        ("post", "/v1/adapters/golemio"): TAKEN,
        ("post", "/v1/adapters/ttn"): UPLINK,
        ("post", "/v1/adapters/chirpstack"): UPLINK,
        ("get", "/healthz"): Alive(status="alive"),
        ("get", "/livez"): Alive(status="alive"),
        ("get", "/readyz"): READY,
    }
    forms = {name: {"summary": f'format: "{name}"', "value": _json(answer)} for name, answer in due.items()}
    return {place: {"example": _json(answer)} for place, answer in single.items()} | {
        ("post", "/v1/due"): {"examples": forms}
    }


def _json(answer: BaseModel) -> dict[str, Any]:
    return answer.model_dump(mode="json", by_alias=True)


def _point(horizon_h: float, mean: float, low: float, middle: float, high: float, p_full: float) -> Point:
    levels: dict[str, float | None] = {"0.1": low, "0.5": middle, "0.9": high}
    at = AS_OF + timedelta(hours=horizon_h)
    return Point(at=at, horizon_h=horizon_h, mean=mean, quantiles=levels, p_full=p_full)


def _scores(horizon_h: float | None, n: int, crps: float, mae: float, cover80: float, brier: float) -> dict[str, Any]:
    names = {"horizon_h": horizon_h, "n": n, "crps": crps, "mae": mae, "cover80": cover80, "brier": brier}
    return {name: value for name, value in names.items() if value is not None}


def _row(row: type[BaseModel], *left_out: str, **more: Any) -> dict[str, Any]:
    """The example that a client sends, as it is told back: what is not known of it is null."""
    told: Any = row.model_config["json_schema_extra"]
    whole = dict.fromkeys(row.model_fields) | told["examples"][0] | more
    return {name: value for name, value in whole.items() if name not in left_out}


ASKED = BinForecast(
    bin_id=FIRST,
    as_of=AS_OF,
    status="ok",
    reasons=[],
    last_reading_at=AS_OF,
    fill_now_pct=63.5,
    points=[
        _point(6, 71.2, 66.0, 70.8, 77.1, 0.004),
        _point(24, 93.6, 82.4, 96.3, 100.0, 0.56),
        _point(72, 99.9, 100.0, 100.0, 100.0, 0.998),
    ],
    full_at=FULL,
)
FORECAST = ForecastAnswer(
    as_of=AS_OF,
    model=MODEL,
    forecasts=[
        ASKED,
        ASKED.model_copy(
            update={
                "bin_id": UNKNOWN,
                "status": "unknown_bin",
                "reasons": ["the bins table lacks this bin, and no reading of the last 28 days names it"],
                "last_reading_at": None,
                "fill_now_pct": None,
                "points": [
                    Point(
                        at=point.at,
                        horizon_h=point.horizon_h,
                        mean=None,
                        quantiles=dict.fromkeys(point.quantiles),
                        p_full=None,
                    )
                    for point in ASKED.points
                ],
                "full_at": NEVER,
            }
        ),
    ],
)
DUE = DueAnswer(
    as_of=AS_OF,
    model=MODEL,
    due=[
        DueBin(
            bin_id=FIRST,
            as_of=AS_OF,
            status="ok",
            reasons=[],
            fill_now_pct=63.5,
            p_full=0.27,
            expected_fill_pct=86.1,
            latest_safe_emptying_at=FULL.p10,
            full_at=FULL,
            latitude=50.08,
            longitude=14.43,
            capacity_l=1100.0,
            expected_volume_l=947.1,
        )
    ],
    left_out=0,
    skipped=[Skipped(bin_id=SILENT, status="stale", reasons=[STALE])],
)
LWM2M = Lwm2mAnswer(
    as_of=AS_OF,
    model=MODEL,
    objects=[
        FillingLevel(
            bin_id=FIRST,
            senml=[
                Record(bn=OBJECT, bt=int(AS_OF.timestamp()), n="8", v=32.4),
                Record(bn=OBJECT, bt=int(AS_OF.timestamp()), n="10", v=int((AS_OF + timedelta(hours=22)).timestamp())),
            ],
        )
    ],
    left_out=0,
    skipped=DUE.skipped,
)
KEPT = IntakeAnswer(accepted=1, unchanged=0, rejected=[])
READINGS = IntakeAnswer(
    accepted=1,
    unchanged=1,
    rejected=[RejectedRow(index=2, reason="unknown_bin", detail=f"the bins table has no bin {UNKNOWN}")],
    ignored_fields=["rssi"],
)
TAKEN = AdapterAnswer(accepted=2, unchanged=0, rejected=[], emptyings=Counts(accepted=1, unchanged=0), ignored=[])
UPLINK = AdapterAnswer(accepted=1, unchanged=0, rejected=[], emptyings=Counts(accepted=0, unchanged=0), ignored=[])
BIN = _row(BinRow, full_pct=95.0)
ONE_BIN = BinAnswer(
    bin=BIN,
    as_of=AS_OF,
    readings=[_row(ReadingRow, "bin_id", "distance_mm", received_at="2026-03-01T12:00:04Z")],
    emptyings=[_row(EmptyingRow, "bin_id", received_at="2026-03-01T07:41:00Z", source="reported")],
    forecast=ASKED,
    profile=Profile(
        rate_pct_per_h=[0.4 if hour % 24 < 7 else 1.7 for hour in range(7 * 24)],
        own_evidence=0.81,
    ),
)
CARD = ModelCard(
    name=MODEL.name,
    version=MODEL.version,
    trained_until=MODEL.trained_until,
    span=(AS_OF - timedelta(days=184), AS_OF - timedelta(days=4)),
    readings=857_300,
    bins=200,
    streams=["glass", "mixed", "paper"],
    method=["Each bin has a fill rate for every hour of its local week, shrunk toward its stream by its evidence."],
    scored_on="12,408 held-back windows from 2026-02-11 12:00 to 2026-02-25 12:00 UTC",
    scores=Scores(**_scores(None, 12_408, 3.9, 5.4, 0.81, 0.021)),
    scores_by_horizon=[
        Scores(**_scores(6, 3_120, 1.9, 2.6, 0.81, 0.008)),
        Scores(**_scores(24, 2_480, 4.2, 5.9, 0.80, 0.024)),
    ],
    baselines={"weekday-rate": Scores(**_scores(None, 12_408, 5.1, 6.9, 0.78, 0.03))},
    skill=Skill(against="weekday-rate", value=0.235, interval95=(0.21, 0.26)),
    weaknesses=["Hardest stream: paper, off by 5.2 points (glass: 2.1)"],
)
SCORED = LiveScores(
    **_scores(None, 3_912, 4.1, 5.7, 0.79, 0.023),
    bins=187,
    baseline=Scores(**_scores(None, 3_912, 5.2, 7.0, 0.77, 0.031)),
    skill=0.212,
    skill95=(0.17, 0.25),
)
SCORECARD = Scorecard(
    made_at=AS_OF,
    since=AS_OF - timedelta(days=14),
    span=(AS_OF - timedelta(days=14), AS_OF - timedelta(hours=6)),
    given=6_240,
    scored=3_912,
    not_yet_due=288,
    unscored={"emptied_between": 1_940, "no_reading_at": 100},
    against="weekday-rate",
    overall=SCORED,
    by_horizon=[SCORED.model_copy(update={"horizon_h": 24.0, "n": 830})],
    by_model=[ModelScores(role="champion", model_name=MODEL.name, model_version=MODEL.version, overall=SCORED)],
    shadow=Shadow(ok=True, version="8", asked=288),
)
READY = Ready(
    ready=True,
    store={"ok": True, "bins": 200},
    model={"ok": True, "name": MODEL.name, "version": MODEL.version},
    forecasts={"ok": True, "bins": 200},
    registry={"ok": True, "asked_at": "2026-03-01T11:59:52+00:00"},
    scores={"ok": True, "scored_at": "2026-03-01T12:00:00+00:00", "challenger": "8"},
)
