"""`brimcast serving key`: create | list | revoke. A running service sees what changes within seconds."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

keys_app = typer.Typer(
    name="key", help="The keys of the service: create | list | revoke.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(help="The key's name.")]


@keys_app.command()
def create(
    scope: Annotated[list[str], typer.Option(help="read, ingest or admin (which may all); repeatable.")],
    name: Annotated[str, typer.Option(help="Who will use it, such as lora-gateway; default: a number.")] = "",
    print_line: Annotated[
        bool, typer.Option("--print", help="Keep it nowhere; print on stderr the line for BRIMCAST_KEYS.")
    ] = False,
) -> None:
    """Make a key and print it, once: only its SHA-256 is kept.

    The key alone goes to stdout. With the first key the service answers nobody without one.

    Example: brimcast serving key create --scope ingest --name lora-gateway
    """
    from data.settings import read_settings
    from serving import keys

    if unknown := sorted(set(scope) - set(keys.SCOPES)):
        raise typer.BadParameter(f"--scope {unknown[0]} is none of {', '.join(keys.SCOPES)}.")
    settings = read_settings()
    taken = {key.name for key in keys.configured_keys(settings).keys}
    free = next(numbered for place in range(1, len(taken) + 2) if (numbered := f"key-{place}") not in taken)
    token, key = keys.create(settings, name or free, scope, keep=not print_line)
    kept = f"BRIMCAST_KEYS={key.line()!r}" if print_line else f"Kept as {key.name} in {keys.keys_file(settings)}."
    print(f"{kept}\nThis is the key; it is not shown again. Send it as Authorization: Bearer KEY.", file=sys.stderr)
    print(token)


@keys_app.command("list")
def show() -> None:
    """Print the names and scopes of the keys.

    Example: brimcast serving key list
    """
    from data.settings import read_settings
    from serving.keys import configured_keys

    keys = configured_keys(read_settings()).keys
    for key in keys:
        print(" ".join(key.line().split()[:2]))
    if not keys:
        print("No keys: the service answers everybody, on a loopback address alone.", file=sys.stderr)


@keys_app.command()
def revoke(name: Name) -> None:
    """Let a key open nothing any more, within seconds.

    Example: brimcast serving key revoke lora-gateway
    """
    from data.settings import read_settings
    from serving import keys

    settings = read_settings()
    keys.revoke(settings, name)
    print(f"{name} is revoked.", file=sys.stderr)
