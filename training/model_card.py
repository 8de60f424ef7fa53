"""The model card: what a fitted model says of itself, for the registry's page and the service."""

from __future__ import annotations

from typing import Any

import pandas as pd

TITLES = {
    "trained_until": "Heard until",
    "span": "Readings from, to",
    "fingerprint": "Fingerprint of the data",
    "git_commit": "Git commit",
}
SHOWN = {"n": "windows", "crps": "CRPS", "mae": "MAE", "cover80": "80% interval covers", "brier": "Brier"}


def description(card: dict[str, Any], scores: pd.DataFrame | None, scored_on: str) -> str:
    """Markdown for the registered version: its data, and its scores by horizon on the windows named by `scored_on`."""
    lines = [f"- {title}: {_text(card[name])}" for name, title in TITLES.items() if card.get(name)]
    if scores is not None:
        columns = [name for name in SHOWN if name in scores]
        lines += ["", f"Scores on {scored_on}, in percentage points of fill where not a share:", ""]
        lines += [
            "| horizon | " + " | ".join(SHOWN[name] for name in columns) + " |",
            "| --- " * (len(columns) + 1) + "|",
        ]
        lines += [
            f"| {index if index == 'overall' else f'{index} h'} | "
            + " | ".join(_number(row[name]) for name in columns)
            + " |"
            for index, row in scores.iterrows()
        ]
    return "\n".join(lines)


def _text(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, (list, tuple)) else str(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 2 else f"{value:.3f}"
