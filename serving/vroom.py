"""The due list as jobs of VROOM, the open route optimiser."""

from __future__ import annotations

import math
from datetime import datetime

from serving.answers import DueAnswer, Skipped, VroomAnswer, VroomJob


def vroom(answer: DueAnswer, by: datetime) -> VroomAnswer:
    """The same bins as jobs, in the same order; one without coordinates is in `skipped`.

    A job's time window runs from as_of to its latest safe emptying; where that has passed, to `by`.
    """
    start = math.ceil(answer.as_of.timestamp())
    placed = [bin_ for bin_ in answer.due if bin_.latitude is not None and bin_.longitude is not None]
    jobs = []
    for number, bin_ in enumerate(placed, start=1):
        safe = bin_.latest_safe_emptying_at
        end = math.floor(safe.timestamp()) if safe is not None else 0
        jobs.append(
            VroomJob.model_construct(
                id=number,
                description=bin_.bin_id,
                location=(bin_.longitude, bin_.latitude),
                pickup=[math.ceil(bin_.expected_volume_l or 0)],
                priority=round(100 * bin_.p_full),
                time_windows=[(start, end if end > start else max(start + 1, math.floor(by.timestamp())))],
            )
        )
    lost = [
        Skipped.model_construct(bin_id=bin_.bin_id, status=bin_.status, reasons=["no latitude and longitude"])
        for bin_ in answer.due
        if bin_.latitude is None or bin_.longitude is None
    ]
    return VroomAnswer.model_construct(jobs=jobs, **answer.beside() | {"skipped": [*answer.skipped, *lost]})
