from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from data.errors import InputError

S = TypeVar("S", bound=BaseSettings)


def read_environment(kind: type[S], what: str, given: dict[str, Any]) -> S:
    """Settings from the environment, or from `given` where that is not None; `what`: their name in an error.

    Raises InputError, which names the variable to correct and says what it means.
    """
    named = {name: value for name, value in given.items() if value is not None}
    try:
        return kind(**named)
    except SettingsError as error:  # what is no JSON where a list is expected
        raise InputError(
            f"{what} cannot be read ({error})",
            expected="JSON in a variable that holds several values",
            remedy="Correct it.",
            example=f"{kind.model_config['env_prefix']}HORIZONS_H=[6,24]",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        field = kind.model_fields.get(name)
        meaning = f"{name}: {field.description}" if field is not None and field.description else None
        raise InputError(
            f"{what} {'.'.join(map(str, first['loc']))} is {first['input']!r} ({first['msg']})",
            expected=meaning or "a setting that Brimcast knows, with a value that it can have",
            remedy=f"Correct {'the option, or ' if name in named else ''}the variable "
            f"{kind.model_config['env_prefix']}{name.upper()}.",
        ) from error
