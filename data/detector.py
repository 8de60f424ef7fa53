"""The detector: how likely a fall of the level is an emptying, as learned by `data.teaching`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

DETECTOR = Path(__file__).with_name("detector.txt")


@cache
def _booster() -> Any:
    import lightgbm  # takes a quarter of a second, and only those need it who look for emptyings

    return lightgbm.Booster(model_file=DETECTOR)


def probabilities(features: np.ndarray) -> np.ndarray:
    """(k,) that each drop is an emptying, from its `data.drops.FEATURES` (k, 20)."""
    return np.asarray(_booster().predict(features, num_threads=1)) if len(features) else np.zeros(0)
