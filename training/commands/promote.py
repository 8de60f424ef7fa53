from __future__ import annotations

from typing import Annotated

import typer

from data.console import example
from data.settings import read_settings
from training.arguments import NAME, Name

EXAMPLE = example("brimcast training promote 3")


def promote(
    version: Annotated[int | None, typer.Argument(min=1, help="Default: the challenger's.")] = None, name: Name = NAME
) -> None:
    """Make a version the champion, which the service loads. The champion before is remembered for `rollback`."""
    from training.registry import promote as do_promote

    champion, before = do_promote(name, version, read_settings())
    if before is None and "champion" in champion.aliases:
        print(f"{name} version {champion.version} is the champion.")
    elif before is not None:
        print(f"{name} version {champion.version} is the champion now, in place of version {before.version}.")
