"""The ring of data keys: wrapped by a master key in one file, made anew each day, wrapped again for a new master."""

import base64
import binascii
import secrets
import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from stream.errors import ConfigError, StorageError
from stream.whole_file import alone, replace

FILE: Final = "keyring.json"
DAY: Final = 86_400.0
SIZE: Final = 32
"""Bytes of a key."""


class DataKey(msgspec.Struct, frozen=True, kw_only=True):
    """A data key as it lies there: wrapped (RFC 3394) by the master key of an id."""

    id: str
    purpose: str
    created: float
    master: str
    wrapped: str


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    keys: tuple[DataKey, ...] = ()


_DECODER: Final = msgspec.json.Decoder(_File)


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


class KeyRing:
    """The data keys of a data directory; safe to use from any thread.

    Keys that one of the `previous` masters wrapped are wrapped by the present one at once, so that the previous is
    needed once. Raises ConfigError where keys were wrapped by a master that is not there, StorageError where the file
    cannot be used.
    """

    def __init__(self, folder: Path, master: Master, previous: tuple[Master, ...] = ()) -> None:
        self._path = folder / FILE
        self._master = master
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._newest: dict[str, DataKey] = {}
        masters = {one.id: one for one in (*previous, master)}
        kept = self._read()
        for key in kept:
            if key.master not in masters:
                raise ConfigError(
                    f"data keys were wrapped by the master key {key.master}, which is not there",
                    where=str(self._path),
                    hint="name it under encrypt.previous, once, so that they are wrapped again",
                )
            self._learn(key, masters[key.master])
        if any(key.master != master.id for key in kept):
            self._write(lambda: [self._wrapped(key) for key in kept])

    def current(self, purpose: str, now: float) -> str:
        """The id of the data key for a purpose at a moment in seconds: a new one where the last is a day old."""
        newest = self._newest.get(purpose)
        if newest is not None and now - newest.created < DAY:
            return newest.id
        with self._lock:
            newest = self._newest.get(purpose)
            if newest is None or now - newest.created >= DAY:
                newest = self._made(purpose, now)
            return newest.id

    def key(self, id_: str) -> bytes:
        """A data key; raises StorageError where there is none of that id."""
        found = self._keys.get(id_)
        if found is None:
            raise StorageError(
                f"there is no data key {id_[:32]!r}",
                where=str(self._path),
                hint="restore keyring.json from the same backup as the data",
            )
        return found

    def _made(self, purpose: str, now: float) -> DataKey:
        key = secrets.token_bytes(SIZE)
        id_ = secrets.token_hex(8)
        made = DataKey(id=id_, purpose=purpose, created=now, master=self._master.id, wrapped=self._master.wrap(key))
        # Kept before it is used: what it encrypts must never outlive it.
        self._write(lambda: [*self._read(), made])
        self._keys[id_] = key
        self._newest[purpose] = made
        return made

    def _learn(self, key: DataKey, master: Master) -> None:
        try:
            self._keys[key.id] = master.unwrap(key.wrapped)
        except (InvalidUnwrap, ValueError, binascii.Error) as error:
            raise StorageError(
                f"the data key {key.id} cannot be unwrapped", where=str(self._path), hint="restore it from a backup"
            ) from error
        newest = self._newest.get(key.purpose)
        if newest is None or key.created >= newest.created:
            self._newest[key.purpose] = key

    def _wrapped(self, key: DataKey) -> DataKey:
        wrapped = self._master.wrap(self._keys[key.id])
        return msgspec.structs.replace(key, master=self._master.id, wrapped=wrapped)

    def _read(self) -> tuple[DataKey, ...]:
        try:
            return _DECODER.decode(self._path.read_bytes()).keys
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StorageError(
                f"the data keys cannot be read ({error})", where=str(self._path), hint="restore it from a backup"
            ) from error

    def _write(self, keys: Callable[[], Sequence[DataKey]]) -> None:
        try:
            with alone(self._path.parent) as folder:
                content = msgspec.json.encode(_File(keys=tuple(keys())))
                replace(self._path, msgspec.json.format(content, indent=1), folder)
        except OSError as error:
            raise StorageError(f"the data keys cannot be written ({error.strerror})", where=str(self._path)) from error


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
