"""Names looked up once each, however many rows have them."""

from __future__ import annotations

import numpy as np
import pandas as pd

UNKNOWN = ""  # the name of what has none, such as a kind of site
Names = np.ndarray | pd.Series | pd.Index


def places(names: Names, index: pd.Index) -> np.ndarray:
    """(k,) where each of the names stands in the index, -1 where it does not; fast for a categorical column."""
    code, different = pd.factorize(names)
    return np.asarray(index.get_indexer(pd.Index(np.asarray(different, dtype=object)))[code])


def first_rows(code: np.ndarray) -> np.ndarray:
    """(b,) the first row of each code 0 to b - 1 among (k,)."""
    first = np.zeros(int(code.max(initial=-1)) + 1, dtype=int)
    first[code[::-1]] = np.arange(len(code))[::-1]
    return first
