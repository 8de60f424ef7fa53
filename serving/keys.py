"""Keys and their scopes: who may read, send, and change; only the SHA-256 of a key is ever written down.

A key is 256 random bits, so a fast digest of it cannot be searched backwards, and no salt is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from data.outputs import whole
from data.settings import Settings

READ, INGEST, ADMIN = "read", "ingest", "admin"
SCOPES = (READ, INGEST, ADMIN)
PREFIX = "brimcast_"
"""By which scanners for leaked secrets, and our own logs, know a key."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DIGEST = re.compile(r"[0-9a-f]{64}")
HEAD = "# Keys of this service: a name, its scopes, and the SHA-256 of the key. Written by: brimcast serving key\n"


@dataclass(frozen=True)
class Key:
    """One key as the configuration holds it. `admin` may do all that the other scopes may."""

    name: str
    scopes: frozenset[str]
    sha256: str

    def may(self, scope: str) -> bool:
        """Whether the key has this scope."""
        return scope in self.scopes or ADMIN in self.scopes

    def line(self) -> str:
        """As `read_keys` reads it."""
        return f"{self.name} {'+'.join(scope for scope in SCOPES if scope in self.scopes)} {self.sha256}"


@dataclass(frozen=True)
class Keys:
    """All keys that are configured."""

    keys: tuple[Key, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, token: str) -> Key | None:
        """The key that the token is, compared with each in constant time."""
        digest, found = digest_of(token), None
        for key in self.keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found


def digest_of(token: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_key(name: str, scopes: Iterable[str]) -> tuple[str, Key]:
    """A new key, to be shown once, and what is kept of it. Raises InputError."""
    asked = frozenset(scopes)
    if not asked or not asked <= set(SCOPES):
        raise InputError(
            f"The scopes are {', '.join(sorted(asked)) or 'none'}", expected=f"some of {', '.join(SCOPES)}",
            remedy="Name at least one.", example="--scope ingest",
        )  # fmt: skip
    if not NAME.fullmatch(name):
        raise InputError(
            f"The key's name is {name[:80]!r}", expected="1 to 64 letters, digits, dots, hyphens or underscores",
            remedy="Name who will use it.", example="--name lora-gateway",
        )  # fmt: skip
    token = PREFIX + secrets.token_urlsafe(32)
    return token, Key(name, asked, digest_of(token))


def read_keys(text: str) -> Keys:
    """Keys from lines `NAME SCOPE[+SCOPE] SHA256`; `;` ends a line too, `#` begins a comment. Raises InputError."""
    keys: dict[str, Key] = {}
    for place, line in enumerate(re.split(r"[\n;]", text), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        name, scopes, digest = words if len(words) == 3 else ("", "", "")
        key = Key(name, frozenset(scopes.split("+")), digest.lower())
        if not (NAME.fullmatch(name) and key.scopes <= set(SCOPES) and DIGEST.fullmatch(key.sha256)) or name in keys:
            raise InputError(
                f"Line {place} of the keys cannot be read, or names a key twice",  # it may hold a key: it is not shown
                expected="NAME SCOPE[+SCOPE] SHA256, each name once",
                remedy="Make the line with: brimcast serving key create --print",
            )
        keys[name] = key
    return Keys(tuple(keys.values()))


def keys_file(settings: Settings) -> Path:
    """Where `brimcast serving key` keeps the keys."""
    return settings.keys_file or settings.home / "keys"


def configured_keys(settings: Settings) -> Keys:
    """The keys of BRIMCAST_KEYS and of the file. Raises InputError."""
    file = keys_file(settings)
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
    except OSError as error:
        raise InputError(
            f"The keys in {file} cannot be read ({error.strerror})",
            expected="a file that the service may read",
            remedy="Correct its rights, or BRIMCAST_KEYS_FILE.",
        ) from error
    return read_keys(f"{settings.keys}\n{text}")


def write_keys(settings: Settings, keys: Iterable[Key]) -> Path:
    """Replace the keys in the file, whole or not at all; only its owner may read it."""
    file = keys_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole(file) as draft:
        draft.touch(mode=0o600)
        draft.write_text(HEAD + "".join(f"{key.line()}\n" for key in keys), encoding="utf-8")
    return file


def create(settings: Settings, name: str, scopes: Iterable[str], *, keep: bool = True) -> tuple[str, Key]:
    """A new key; kept in the file unless told otherwise. Raises InputError where the name is taken."""
    token, key = new_key(name, scopes)
    if any(other.name == name for other in configured_keys(settings).keys):
        raise InputError(
            f"There is a key named {name} already", expected="a new name", remedy="Choose one, or revoke that key.",
            example=f"brimcast serving key revoke {name}",
        )  # fmt: skip
    if keep:
        write_keys(settings, [*_kept(settings), key])
    return token, key


def revoke(settings: Settings, name: str) -> None:
    """Take a key out of the file. Raises InputError where it holds none of this name."""
    kept = _kept(settings)
    left = [key for key in kept if key.name != name]
    if len(left) == len(kept):
        raise InputError(
            f"{keys_file(settings)} holds no key named {name!r}",
            expected="one of those that `brimcast serving key list` shows",
            remedy="A key from the variable BRIMCAST_KEYS is revoked by taking it out there.",
        )
    write_keys(settings, left)


def _kept(settings: Settings) -> list[Key]:
    file = keys_file(settings)
    return list(read_keys(file.read_text(encoding="utf-8")).keys) if file.exists() else []
