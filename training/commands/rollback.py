from __future__ import annotations

from data.console import example
from data.settings import read_settings
from training.arguments import NAME, Name

EXAMPLE = example("brimcast training rollback")


def rollback(name: Name = NAME) -> None:
    """Make the champion before the last promotion the champion again: one step."""
    from training.registry import rollback as do_rollback

    champion, replaced = do_rollback(name, read_settings())
    print(f"{name} version {champion.version} is the champion again, in place of version {replaced.version}.")
