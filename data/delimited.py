"""Delimited text, plain or gzip, read without losing a row."""

import csv
import gzip
import io
import zlib
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.faults import MALFORMED

DELIMITERS = ",;\t|"
GZIP = b"\x1f\x8b"
ARCHIVES = {b"PK\x03\x04": "a zip archive or an Excel workbook", b"%PDF": "a PDF"}
NOT_TEXT = "CSV text in UTF-8, plain or gzip, or Parquet"


def read_delimited(path: Path) -> pd.DataFrame:
    """All columns as text, missing where empty; a row that has too many fields says so in column `MALFORMED`.

    The delimiter is the one of comma, semicolon, tab and bar that splits the header most. Raises InputError.
    """
    text = _text(path)
    header = text.lstrip("\r\n \ufeff").split("\n", 1)[0]
    if not header.strip():
        raise InputError(f"{path} is empty", expected="a table with a header and rows", remedy="Check how it was made.")
    delimiter = max(DELIMITERS, key=header.count)
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            dtype="str",
            keep_default_na=False,
            na_values=[""],
            index_col=False,
            skipinitialspace=True,
            on_bad_lines="error",
        )
    except (pd.errors.ParserError, csv.Error):
        frame = _line_by_line(text, delimiter)
    frame.columns = frame.columns.astype(str).str.strip()
    return _decimal_points(frame) if delimiter == ";" else frame


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith(GZIP):
        try:
            data = gzip.decompress(data)
        except (EOFError, zlib.error, OSError) as error:
            raise InputError(
                f"{path} is a gzip file that ends early or is damaged ({error})",
                expected="a whole file",
                remedy="Copy or download it again.",
            ) from error
    for start, kind in ARCHIVES.items():
        if data.startswith(start):
            raise InputError(f"{path} is {kind}", expected=NOT_TEXT, remedy="Save the table as CSV in UTF-8.")
    if b"\0" in data[:65536] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} holds binary data", expected=NOT_TEXT, remedy="Check that it is the right file.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not in UTF-8 (byte 0x{data[error.start]:02x} at position {error.start:,})",
            expected=NOT_TEXT,
            remedy=f"Convert it, for example with: iconv -f WINDOWS-1250 -t UTF-8 {path} > utf8.csv",
        ) from error


def _line_by_line(text: str, delimiter: str) -> pd.DataFrame:
    """Read a file with lines that do not split as its header does: those are kept, and marked."""
    lines = [line for line in text.splitlines() if line.strip()]
    names = next(csv.reader([lines[0]], delimiter=delimiter, skipinitialspace=True))
    rows, faults = [], []
    for line in lines[1:]:  # only for files that a column-wise reader refuses
        fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        wrong = len(fields) > len(names)
        faults.append(f"the row has {len(fields)} fields, the header {len(names)}" if wrong else None)
        rows.append([field or None for field in fields[: len(names)]] + [None] * (len(names) - len(fields)))
    frame = pd.DataFrame(rows, columns=names, dtype="str")
    return frame.assign(**{MALFORMED: pd.Series(faults, index=frame.index, dtype="str")})


def _decimal_points(frame: pd.DataFrame) -> pd.DataFrame:
    """12,5 is a number where the semicolon separates columns."""
    return frame.apply(lambda column: column.str.replace(r"^\s*([+-]?\d+),(\d+)\s*$", r"\1.\2", regex=True))
