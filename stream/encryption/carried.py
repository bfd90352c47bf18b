"""Data keys that travel with what they encrypt: many processes share a log without sharing a file of keys."""

import binascii
import secrets
import threading
from typing import Final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from stream.encryption.keys import DAY, SIZE, TENANTS, Master
from stream.errors import ConfigError, DamagedError

_ID: Final = 16


class CarriedKeys:
    """Data keys whose id is the key itself, wrapped; each process makes its own and unwraps everybody's.

    One is used for a day. What was written under a `previous` master needs that for as long as it is kept. Safe to use
    from any thread.
    """

    def __init__(self, master: Master, previous: tuple[Master, ...] = ()) -> None:
        self._master = master
        self._masters: Final = {one.id: one for one in (*previous, master)}
        self._lock = threading.Lock()
        self._newest: dict[tuple[str, str], tuple[str, float]] = {}
        self._plain: dict[str, bytes] = {}

    def current(self, purpose: str, now: float, tenant: str = "") -> str:
        """The id of the data key to use; see `DataKeys.current`."""
        newest = self._newest.get((purpose, tenant))
        if newest is not None and now - newest[1] < DAY:
            return newest[0]
        with self._lock:
            if newest is None and tenant and len(self._newest) >= TENANTS:
                tenant = ""
            newest = self._newest.get((purpose, tenant))
            if newest is None or now - newest[1] >= DAY:
                plain = secrets.token_bytes(SIZE)
                newest = (self._master.id + self._master.wrap(plain), now)
                self._remember(newest[0], plain)
                self._newest[(purpose, tenant)] = newest
            return newest[0]

    def key(self, id_: str) -> bytes:
        """A data key. Raises ConfigError where its master is not there, DamagedError where it is not what was made."""
        found = self._plain.get(id_)
        if found is not None:
            return found
        master = self._masters.get(id_[:_ID])
        if master is None:
            raise ConfigError(
                f"a data key was wrapped by the master key {id_[:_ID]!r}, which is not there",
                hint="name it under encrypt.previous for as long as what it protects is kept",
            )
        try:
            plain = master.unwrap(id_[_ID:])
        except (InvalidUnwrap, ValueError, binascii.Error) as error:
            raise DamagedError(
                "a data key cannot be unwrapped", hint="look at it with `tocsin deadletter list`"
            ) from error
        with self._lock:
            self._remember(id_, plain)
        return plain

    def _remember(self, id_: str, plain: bytes) -> None:
        if len(self._plain) >= 4 * TENANTS:
            del self._plain[next(iter(self._plain))]
        self._plain[id_] = plain
