"""Data keys, wrapped by a master key: a ring of them in a file beside the data, or each carried by what it encrypts."""

import base64
import binascii
import errno
import os
import secrets
import threading
from collections.abc import Container, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import msgspec
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from stream.errors import ConfigError, StorageError
from stream.whole_file import alone, replace

FILE: Final = "keyring.ndjson"
DAY: Final = 86_400.0
TENANT_PERIOD: Final = 30 * DAY
"""Seconds that a tenant's data key is used for new data; a key that tenants share is used for a day."""
TENANTS: Final = 4096
"""Tenants with data keys of their own in one process: the names in events are anybody's, the rest share one."""
SIZE: Final = 32
"""Bytes of a key."""


class DataKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A data key as it lies there: wrapped (RFC 3394) by the master key of an id."""

    id: str
    purpose: str
    tenant: str = ""
    created: float
    master: str
    wrapped: str


_DECODER: Final = msgspec.json.Decoder(DataKey)
_Use = tuple[str, str]


class Master:
    """A master key. Raises ConfigError where a text is none: 32 bytes in hexadecimal or base64."""

    def __init__(self, text: str) -> None:
        self._key = _bytes(text)
        self.id: Final = sha256(b"tocsin master key\0" + self._key).hexdigest()[:16]

    def wrap(self, key: bytes) -> str:
        """A data key as it may be kept."""
        return base64.b64encode(aes_key_wrap(self._key, key)).decode()

    def unwrap(self, wrapped: str) -> bytes:
        """The data key; raises InvalidUnwrap or ValueError where it was wrapped by another."""
        return aes_key_unwrap(self._key, base64.b64decode(wrapped, validate=True))

    def __repr__(self) -> str:
        return f"Master({self.id})"


def new_master() -> str:
    """The text of a new master key."""
    return base64.b64encode(secrets.token_bytes(SIZE)).decode()


class DataKeys(Protocol):
    """Where data keys come from."""

    def current(self, purpose: str, now: float, tenant: str = "") -> str:
        """The id of the data key for a purpose, and a tenant's own where one is named, at a moment in seconds."""
        ...

    def key(self, id_: str) -> bytes:
        """A data key; raises StorageError or ConfigError where it cannot be had."""
        ...


class KeyRing:
    """The data keys of a data directory, a line of a file each; safe to use from any thread.

    Keys that one of the `previous` masters wrapped are wrapped by the present one at once, so that the previous is
    needed once. Raises ConfigError where keys were wrapped by a master that is not there, StorageError where the file
    cannot be used.
    """

    def __init__(self, folder: Path, master: Master, previous: tuple[Master, ...] = ()) -> None:
        self._path = folder / FILE
        self._master = master
        self._lock = threading.Lock()
        self._plain: dict[str, bytes] = {}
        self._kept: dict[str, DataKey] = {}
        self._newest: dict[_Use, DataKey] = {}
        self._first: dict[_Use, DataKey] = {}
        masters = {one.id: one for one in (*previous, master)}
        with self._alone() as beside:
            kept, torn = self._read()
            for key in kept:
                if key.master not in masters:
                    raise ConfigError(
                        f"data keys were wrapped by the master key {key.master}, which is not there",
                        where=str(self._path),
                        hint="name it under encrypt.previous, once, so that they are wrapped again",
                    )
            if torn or any(key.master != master.id for key in kept):
                kept = [self._wrapped_anew(key, masters[key.master]) for key in kept]
                replace(self._path, b"".join(map(_line, kept)), beside)
        for key in kept:
            self._learn(key)

    def current(self, purpose: str, now: float, tenant: str = "") -> str:
        """The id of the data key to use: a new one where the last is too old; see `DataKeys.current`."""
        use = (purpose, tenant)
        period = TENANT_PERIOD if tenant else DAY
        newest = self._newest.get(use)
        if newest is not None and now - newest.created < period:
            return newest.id
        with self._lock:
            newest = self._newest.get(use)
            if newest is None and tenant and len(self._newest) >= TENANTS:
                tenant = ""
            elif newest is None or now - newest.created >= period:
                newest = self._made(purpose, tenant, now)
        return self.current(purpose, now) if newest is None else newest.id

    def lasting(self, purpose: str) -> str:
        """The id of a purpose's first data key, for what must look the same whenever it was encrypted."""
        with self._lock:
            return (self._first.get((purpose, "")) or self._made(purpose, "", 0.0)).id

    def past(self, purposes: Container[str], now: float) -> set[str]:
        """The ids of keys for some purposes that are no more used for anything new, since a day and more."""
        with self._lock:
            return {
                key.id
                for key in self._kept.values()
                if key.purpose in purposes and key.created + (TENANT_PERIOD if key.tenant else DAY) + DAY < now
            }

    def destroy(self, ids: Container[str]) -> int:
        """Forget keys, here and in the file, so that nobody can read again what they encrypted; how many there were."""
        with self._lock:
            kept = {id_: key for id_, key in self._kept.items() if id_ not in ids}
            gone = self._kept.keys() - kept.keys()
            if gone:
                with self._alone() as beside:
                    replace(self._path, b"".join(map(_line, kept.values())), beside)
                self._kept = kept
                self._plain = {id_: plain for id_, plain in self._plain.items() if id_ in kept}
                self._first = {use: key for use, key in self._first.items() if key.id in kept}
                self._newest = {use: key for use, key in self._newest.items() if key.id in kept}
            return len(gone)

    def key(self, id_: str) -> bytes:
        """A data key; raises StorageError where there is none of that id, or it is not what was kept."""
        found = self._plain.get(id_)
        if found is None:
            kept = self._kept.get(id_)
            if kept is None:
                raise StorageError(
                    f"there is no data key {id_[:32]!r}",
                    where=str(self._path),
                    hint=f"restore {FILE} from the same backup as the data",
                )
            # Only now: a ring of years has many keys, and unwrapping takes longer than reading.
            found = self._plain[id_] = self._unwrapped(kept, self._master)
        return found

    def _made(self, purpose: str, tenant: str, now: float) -> DataKey:
        plain = secrets.token_bytes(SIZE)
        made = DataKey(
            id=secrets.token_hex(8),
            purpose=purpose,
            tenant=tenant,
            created=now,
            master=self._master.id,
            wrapped=self._master.wrap(plain),
        )
        # Kept before it is used: what it encrypts must never outlive it.
        self._append(made)
        self._plain[made.id] = plain
        self._learn(made)
        return made

    def _learn(self, key: DataKey) -> None:
        use = (key.purpose, key.tenant)
        self._kept[key.id] = key
        self._first.setdefault(use, key)
        newest = self._newest.get(use)
        if newest is None or key.created >= newest.created:
            self._newest[use] = key

    def _unwrapped(self, key: DataKey, master: Master) -> bytes:
        try:
            return master.unwrap(key.wrapped)
        except (InvalidUnwrap, ValueError, binascii.Error) as error:
            raise StorageError(
                f"the data key {key.id} cannot be unwrapped", where=str(self._path), hint="restore it from a backup"
            ) from error

    def _wrapped_anew(self, key: DataKey, master: Master) -> DataKey:
        if master.id == self._master.id:
            return key
        wrapped = self._master.wrap(self._unwrapped(key, master))
        return msgspec.structs.replace(key, master=self._master.id, wrapped=wrapped)

    def _read(self) -> tuple[list[DataKey], bool]:
        """The keys, and whether a last line was cut short: its key was never used, since that waits for the disk."""
        try:
            whole, _, rest = self._path.read_bytes().rpartition(b"\n")
            return [_DECODER.decode(line) for line in whole.splitlines()], bool(rest)
        except FileNotFoundError:
            return [], False
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StorageError(
                f"the data keys cannot be read ({error})", where=str(self._path), hint="restore it from a backup"
            ) from error

    def _append(self, key: DataKey) -> None:
        new = not self._path.exists()
        with self._alone() as folder:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                line = _line(key)
                try:
                    if os.write(descriptor, line) != len(line):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    os.fsync(descriptor)
                except OSError:
                    # Half a line would spoil the next one.
                    os.ftruncate(descriptor, size)
                    raise
            finally:
                os.close(descriptor)
            if new:
                os.fsync(folder)

    @contextmanager
    def _alone(self) -> Iterator[int]:
        try:
            with alone(self._path.parent) as folder:
                yield folder
        except OSError as error:
            raise StorageError(
                f"the data keys cannot be written ({error.strerror})",
                where=str(self._path),
                hint="free some disk space",
            ) from error


def _line(key: DataKey) -> bytes:
    return msgspec.json.encode(key) + b"\n"


def _bytes(text: str) -> bytes:
    said = text.strip()
    try:
        key = bytes.fromhex(said) if len(said) == 2 * SIZE else base64.b64decode(said, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != SIZE:
        raise ConfigError(
            "a master key is 32 random bytes in hexadecimal or base64", hint="`tocsin keys master FILE` makes one"
        )
    return key
