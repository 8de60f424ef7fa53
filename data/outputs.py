"""Files that come out: whole or not at all."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from data.errors import InputError

ENDINGS = (".csv", ".csv.gz", ".parquet")


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
    check_ending(path)
    with whole(path) as draft:
        if path.name.lower().endswith(".parquet"):
            frame.to_parquet(draft, index=False)
        else:
            frame.to_csv(draft, index=False)


def check_ending(*paths: Path | None) -> None:
    """Refuse names whose ending tells no format that `write_table` knows. Raises InputError."""
    for path in paths:
        if path is not None and not path.name.lower().endswith(ENDINGS):
            raise InputError(
                f"{path} has an ending that says no known format",
                expected=f"a file named {', '.join(ENDINGS)}",
                remedy=f"Name it {path.with_suffix('.csv')}, for example.",
            )
