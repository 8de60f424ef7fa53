"""Pydantic's errors in a client's words: what was expected, and what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LONGEST = 60
"""Characters of a value that an error tells."""

WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no field that is known here; /docs lists those that are",
    "model_type": "expected an object, found {found}",
    "model_attributes_type": "expected an object, found {found}",
    "list_type": "expected a list, found {found}",
    "string_type": "expected a text, found {found}",
    "float_type": "expected a number, found {found}",
    "int_type": "expected a whole number, found {found}",
    "float_parsing": "expected a number, found {found}",
    "int_parsing": "expected a whole number, found {found}",
    "finite_number": "expected a finite number, found {found}",
    "less_than": "expected less than {lt:.10g}, found {found}",
    "less_than_equal": "expected at most {le:.10g}, found {found}",
    "greater_than": "expected more than {gt:.10g}, found {found}",
    "greater_than_equal": "expected at least {ge:.10g}, found {found}",
    "too_short": "expected a list of {min_length} or more, found {actual_length}",
    "too_long": "expected a list of at most {max_length}, found {actual_length}",
    "string_too_short": "expected a text, found an empty one",
    "string_too_long": "expected at most {max_length} characters, found {found}",
    "string_pattern_mismatch": "expected a text without control characters, found {found}",
    "literal_error": "expected {expected}, found {found}",
    "datetime_parsing": "expected a date and time with an offset, found {found}: {error}",
    "datetime_from_date_parsing": "expected a date and time with an offset, found {found}: {error}",
    "timezone_aware": "expected an offset, as in 2026-03-01T06:00:00+01:00; found {found}",
    "json_invalid": "is no JSON: {error}",
}
"""What is said of a pydantic error, by its type, where its own words are about Python."""


def said(error: Mapping[str, Any]) -> str:
    """What a pydantic error says, in a client's words: what was expected, and what was found."""
    try:
        given = {"found": found(error["input"])} if "input" in error else {}
        return WORDS[error["type"]].format(**given, **error.get("ctx", {}))
    except (KeyError, ValueError):  # a type without words, or without what they need; a number too long to write
        return str(error["msg"]).removeprefix("Value error, ")


def found(value: Any) -> str:
    """What a client sent, as JSON: a long text cut short, of lists and objects the kind alone."""
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return "an object"
    text = json.dumps(value[:LONGEST] if isinstance(value, str) else value, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
