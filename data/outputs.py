"""Files that come out: whole or not at all."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from data.errors import InputError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling to write into; it becomes `path` when the block ends well, and is removed else."""
    draft = path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} could not be written ({error.strerror or error})",
            expected="a place that can be written",
            remedy="Choose another, or free some space.",
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write as Parquet or CSV (.csv, .csv.gz) by the file's name; times with their offset. Raises InputError."""
    name = path.name.lower()
    if not name.endswith((".parquet", ".csv", ".csv.gz")):
        raise InputError(
            f"{path} has an ending that says no known format",
            expected="a file named .parquet, .csv or .csv.gz",
            remedy=f"Name it {path.with_suffix('.csv')}, for example.",
        )
    with whole(path) as draft:
        if name.endswith(".parquet"):
            frame.to_parquet(draft, index=False)
        else:
            frame.to_csv(draft, index=False)
