"""How many requests each key may make: a bucket of tokens that fills steadily, one for each key and worker."""

from __future__ import annotations

import time
from collections.abc import Callable

BURST_S = 10.0
"""A key that was quiet may ask at once for what it may ask for in so many seconds."""


class Rates:
    """Counts requests by key. Used on one event loop, so without a lock."""

    def __init__(self, per_min: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._clock = per_min / 60, clock
        self._most = max(1.0, self._per_s * BURST_S)
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_s(self, key: str) -> float:
        """Take one token of this key's bucket: 0; or, where it is empty, the seconds until there is one again."""
        now = self._clock()
        tokens, at = self._buckets.get(key, (self._most, now))
        tokens = min(self._most, tokens + (now - at) * self._per_s)
        if tokens < 1:
            self._buckets[key] = (tokens, now)
            return (1 - tokens) / self._per_s
        self._buckets[key] = (tokens - 1, now)
        return 0.0
