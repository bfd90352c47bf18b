"""Collector keys: who may send events, for which tenants, servers and producers."""

import fcntl
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from stream.errors import ConfigError, StorageError

FILE: Final = "keys.json"
"""The file's name in the data directory."""
PREFIX: Final = "tcs"
_ID_BYTES: Final = 5
_SECRET_BYTES: Final = 24


class Key(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One collector key.

    Empty `tenants`, `servers` and `producers` mean all. `tenant` is that of lines that name none. `hash` is the SHA-256
    of the secret, enough for a secret of 192 random bits. Times are seconds since the epoch; `revoked` is None while
    the key is good.
    """

    id: str
    hash: str
    created: float
    tenants: tuple[str, ...] = ()
    tenant: str | None = None
    servers: tuple[str, ...] = ()
    producers: tuple[str, ...] = ()
    note: str = ""
    revoked: float | None = None


class _File(msgspec.Struct):
    version: int
    keys: list[Key]


_DECODER: Final = msgspec.json.Decoder(_File)


class Keys:
    """The keys of a file, read again whenever it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def find(self, text: str) -> Key | None:
        """The key that a text is, revoked or not; None where it is none.

        Raises StorageError where the file cannot be read.
        """
        self._refresh()
        prefix, _, rest = text.partition("_")
        name, _, secret = rest.partition("_")
        key = self._keys.get(name) if prefix == PREFIX else None
        # An unknown id takes as long as a wrong secret.
        expected = key.hash if key is not None else "0" * 64
        same = hmac.compare_digest(_hash(secret), expected)
        return key if same else None

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._keys, self._seen = {}, None
            return
        except OSError as error:
            raise _unreadable(self._path, error) from error
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen != self._seen:
            self._keys = {key.id: key for key in list_keys(self._path)}
            self._seen = seen


def list_keys(path: Path) -> Sequence[Key]:
    """Every key of a file, revoked ones too, in the order in which they were made; none where there is no file.

    Raises StorageError where it cannot be read.
    """
    try:
        return _DECODER.decode(path.read_bytes()).keys
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def create_key(
    path: Path,
    now: float,
    *,
    tenants: Sequence[str] = (),
    tenant: str | None = None,
    servers: Sequence[str] = (),
    producers: Sequence[str] = (),
    note: str = "",
) -> tuple[Key, str]:
    """Make a key and keep it; the key, and the text that is shown once and cannot be had again.

    A key for one tenant has it as its default. Raises ConfigError where the default is not among the tenants,
    StorageError where the file cannot be written.
    """
    if tenant is None and len(tenants) == 1:
        tenant = tenants[0]
    if tenant is not None and tenants and tenant not in tenants:
        raise ConfigError(
            f"the default tenant {tenant!r} is not among the key's tenants",
            hint=f"choose one of {', '.join(tenants)}, or add it to them",
        )
    secret = secrets.token_hex(_SECRET_BYTES)
    key = Key(
        id=secrets.token_hex(_ID_BYTES),
        hash=_hash(secret),
        created=now,
        tenants=tuple(tenants),
        tenant=tenant,
        servers=tuple(servers),
        producers=tuple(producers),
        note=note,
    )
    _change(path, lambda keys: [*keys, key])
    return key, f"{PREFIX}_{key.id}_{secret}"


def revoke_key(path: Path, name: str, now: float) -> Key:
    """Revoke a key by its id, from the next request on; the key as it now is.

    Raises ConfigError where there is none of that id, StorageError where the file cannot be written.
    """

    def revoked(keys: Sequence[Key]) -> list[Key]:
        if all(key.id != name for key in keys):
            raise ConfigError(
                f"there is no collector key {name!r}", where=str(path), hint="`tocsin keys list` names them"
            )
        return [
            msgspec.structs.replace(key, revoked=now) if key.id == name and key.revoked is None else key for key in keys
        ]

    return next(key for key in _change(path, revoked) if key.id == name)


def _change(path: Path, change: Callable[[Sequence[Key]], list[Key]]) -> list[Key]:
    """Replace the file as a whole: what a crash leaves is the old one or the new one."""
    part = path.with_name(f"{path.name}.part")
    try:
        with _alone(path.parent) as folder:
            keys = change(list_keys(path))
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(_File(1, keys)), indent=1))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            os.fsync(folder)
    except OSError as error:
        raise StorageError(
            f"the collector keys cannot be written ({error.strerror})",
            where=str(path),
            hint="run the command as the user that runs Tocsin, and look whether the disk is full",
        ) from error
    return keys


@contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """The folder's descriptor, while no other command changes keys in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _unreadable(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"the collector keys cannot be read ({error})",
        where=str(path),
        hint="restore the file from a backup, or move it away and make new keys with `tocsin keys create`",
    )
