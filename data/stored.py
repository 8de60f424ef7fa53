from __future__ import annotations

from dataclasses import dataclass

BATCH = 20_000
"""Rows per statement of a long put."""


@dataclass(frozen=True)
class Stored:
    """How many of the rows put were new to the store, and how many changed nothing."""

    accepted: int
    unchanged: int
