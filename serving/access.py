"""Who is let in: on a loopback address anybody while there are no keys, then only who holds one of the right scope."""

from __future__ import annotations

import ipaddress
import logging
import math
import time
from collections.abc import Sequence
from typing import Any

from data.errors import InputError
from data.settings import Settings
from serving.asgi import Scope, header
from serving.keys import READ, Key, Keys, configured_keys, keys_file
from serving.problems import Problem
from serving.rates import Rates
from serving.scopes import needed

LOOK_AGAIN_S = 1.0
REALM = 'Bearer realm="brimcast"'
NAMES_OF_THIS_MACHINE = ("localhost", "ip6-localhost")
log = logging.getLogger("brimcast")


class Keyring:
    """The configured keys, read again when their file changes: a key is made or revoked without a restart.

    Once there were keys there is no way back to none: then nobody is let in, until a key is made or the service begins
    anew. Raises InputError where the keys cannot be read at the start; later the last ones hold.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._file = settings, keys_file(settings)
        self._stamp, self._looked = self._changed(), time.monotonic()
        self._keys = configured_keys(settings)
        self._required = len(self._keys) > 0

    @property
    def required(self) -> bool:
        """Whether there are keys, or were."""
        self._required = self._required or len(self.keys()) > 0
        return self._required

    def keys(self) -> Keys:
        """The keys of now."""
        if time.monotonic() - self._looked > LOOK_AGAIN_S:
            self._looked = time.monotonic()
            stamp = self._changed()
            if stamp != self._stamp:
                try:
                    self._keys, self._stamp = configured_keys(self._settings), stamp
                except InputError as error:
                    log.error("the keys are as before: %s", error)
        return self._keys

    def _changed(self) -> Any:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)


class Access:
    """Lets a request in, or raises the Problem that says why not."""

    def __init__(self, keyring: Keyring | None = None, rates: Rates | None = None, origins: Sequence[str] = ()) -> None:
        self._keyring, self._rates, self.origins = keyring, rates, list(origins)

    @classmethod
    def of(cls, settings: Settings) -> Access:
        """As configured; `origins` are the hosts whose pages may call us from a browser. Raises InputError."""
        ring, rates = Keyring(settings), Rates(settings.requests_per_min)
        if not ring.required:
            log.warning("there are no keys: only requests of this machine for localhost are answered")
        return cls(ring, rates, settings.cors_origins.replace(",", " ").split())

    @property
    def required(self) -> bool:
        """Whether a key is asked for."""
        return self._keyring is not None and self._keyring.required

    def admit(self, scope: Scope) -> Key | None:
        """The key that the request came with, if it needs one.

        Raises Problem 401 without a valid key, 403 where its scope does not reach, 429 where it asks too often.
        """
        if not self.required:
            check_address(scope)
            check_host(scope)
            return None
        method, path = scope["method"], scope["path"]
        wanted, key = needed(method, path), self.who(scope)
        if key is None:
            if wanted is None:
                return None
            raise Problem(401, "This needs a key: send Authorization: Bearer KEY.", headers={"WWW-Authenticate": REALM})
        wait_s = self._rates.wait_s(key.name) if self._rates else 0.0
        if wait_s:
            raise Problem(429, "This key asks too often.", headers={"Retry-After": str(math.ceil(wait_s))})
        if wanted is not None and not key.may(wanted):
            refusal = f'{REALM}, error="insufficient_scope", scope="{wanted}"'
            raise Problem(403, f"This needs a key with the scope {wanted}.", headers={"WWW-Authenticate": refusal})
        return key

    def may_read(self, scope: Scope) -> bool:
        """Whether what only readers may know can be told to whoever asks this."""
        key = self.who(scope) if self.required else None
        return not self.required or (key is not None and key.may(READ))

    def who(self, scope: Scope) -> Key | None:
        """The key of the Authorization header; None for none, or one that is not ours."""
        scheme, _, token = header(scope, b"authorization").strip().partition(" ")
        if self._keyring is None or scheme.lower() != "bearer" or not token.strip():
            return None
        return self._keyring.keys().find(token.strip())


def check_address(scope: Scope) -> None:
    """Without keys, only what reached us on a loopback address is answered. Raises Problem 403."""
    address = _server(scope)
    if address is not None and not is_loopback(address):
        raise Problem(403, "Without keys this service answers only on a loopback address such as 127.0.0.1.")


def check_host(scope: Scope) -> None:
    """Without keys, only what asks for this machine is answered. Raises Problem 403.

    A web page from elsewhere can have its own name lead to 127.0.0.1, and would then read and write as one of ours.
    """
    name = host_of(header(scope, b"host"))
    if _server(scope) is None or not name or name in NAMES_OF_THIS_MACHINE or name.endswith(".localhost"):
        return
    try:
        if is_loopback(ipaddress.ip_address(name)):
            return
    except ValueError:
        pass
    raise Problem(403, "Without keys this service answers only requests for localhost; a proxy needs it to have keys.")


def host_of(text: str) -> str:
    """The name of a Host header, without its port."""
    name = text.strip().lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]


def is_loopback(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether only this machine can reach the address."""
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _server(scope: Scope) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that was reached; None for no socket address: a Unix socket, or a test inside the process."""
    server = scope.get("server")
    try:
        return ipaddress.ip_address(server[0]) if server else None
    except ValueError:
        return None
