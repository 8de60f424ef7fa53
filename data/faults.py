"""What can be wrong with a row, and the words that say so."""

import numpy as np
import pandas as pd

from data.readings import Rejected
from data.times import EXAMPLE, Times

MALFORMED = "malformed_row"  # a column that a source adds: why a line could not be split, missing where it could
NO_OFFSET = f"has no UTC offset (expected ISO 8601 such as {EXAMPLE})"
NO_TIME = f"is no time, or one that its zone skips or repeats (expected ISO 8601 with an offset, such as {EXAMPLE})"


class Faults:
    """The first fault found of each of `rows` rows, with the words to say it; collected column-wise."""

    def __init__(self, rows: int) -> None:
        self.code = np.full(rows, -1, dtype=np.int16)
        self.reasons: list[tuple[str, tuple[str | pd.Series, ...]]] = []

    def none(self) -> np.ndarray:
        """(n,) bool: rows without a fault so far."""
        return self.code < 0

    def add(self, reason: str, rows: np.ndarray, *words: str | pd.Series) -> None:
        """Mark `rows` (bool) that have no fault yet; their detail will be the words joined, columns row by row."""
        new = rows & self.none()
        if new.any():
            self.code[new] = len(self.reasons)
            self.reasons.append((reason, words))

    def add_times(self, name: str, times: Times, given: pd.Series, *, required: bool) -> None:
        """Mark times that are missing (when required), without an offset, or no times."""
        if required:
            self.add("missing_value", times.missing, f"{name} is missing")
        self.add("naive_time", times.naive, f"{name} ", given, f" {NO_OFFSET}")
        self.add("unparsable_time", times.bad, f"{name} ", given, f" {NO_TIME}")

    def rejected(self, bin_id: pd.Series, raw: pd.DataFrame) -> Rejected:
        """The rows with a fault, in their order, beside their source columns as text."""
        rows = np.flatnonzero(self.code >= 0)
        code = self.code[rows]
        reason = pd.Series([name for name, _ in self.reasons], dtype="str").take(code).reset_index(drop=True)
        detail = pd.Series("", index=range(len(rows)), dtype="str")
        for number_, (_, words) in enumerate(self.reasons):
            here = code == number_
            text = pd.Series("", index=np.flatnonzero(here), dtype="str")
            for word in words:
                if isinstance(word, pd.Series):
                    part = word.take(rows[here]).astype("str").fillna("missing").str.slice(0, 80)
                    text = text + part.set_axis(text.index)
                else:
                    text = text + word
            detail = detail.where(~here, text.reindex(detail.index))
        frame = pd.DataFrame({"row": rows, "bin_id": bin_id.take(rows).to_numpy(), "reason": reason, "detail": detail})
        frame["bin_id"] = frame["bin_id"].astype("str")
        for column in raw.columns:
            if column not in (*frame.columns, MALFORMED):
                frame[str(column)] = raw[column].take(rows).astype("str").to_numpy()
        return Rejected(frame)


def ids(raw: pd.DataFrame, name: str) -> pd.Series:
    """An id column as text without surrounding blanks, missing where empty; whole floats lose their '.0'."""
    if name not in raw:
        return pd.Series(np.nan, index=raw.index, dtype="str")
    column = raw[name]
    if pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    text = column.astype("str").where(column.notna()).str.strip()
    return text.where(text != "")


def number(column: pd.Series) -> pd.Series:
    """A column as floats; NaN where it is no number. Truth values are no numbers."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return pd.Series(np.nan, index=column.index)
    if not pd.api.types.is_numeric_dtype(column.dtype):
        column = column.astype("str").str.strip()
    return pd.to_numeric(column, errors="coerce").astype(float)


def empty(column: pd.Series) -> np.ndarray:
    """(n,) bool: nothing there, or only blanks."""
    missing = column.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(column.dtype):
        return missing
    return missing | (column.astype("str").str.strip() == "").to_numpy(dtype=bool)
