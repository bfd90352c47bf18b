"""Collector keys: who may send events, for which tenants, servers and producers."""

import hmac
import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from stream.errors import ConfigError, StorageError
from stream.whole_file import alone, replace

FILE: Final = "keys.json"
"""The file's name in the data directory."""
PREFIX: Final = "tcs"
_ID_BYTES: Final = 5
_SECRET_BYTES: Final = 24


class Key(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One collector key.

    Empty `tenants`, `servers` and `producers` mean all. `tenant` is that of lines that name none. `hash` is the SHA-256
    of the secret, enough for a secret of 192 random bits. Times are seconds since the epoch; `revoked` is None while
    the key is good, and may lie ahead. `of` is the first of the keys that this one follows.
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
    of: str | None = None

    @property
    def scope(self) -> str:
        """Whose word it is that comes with this key: the same for all keys that follow each other.

        Sequence numbers and ids are told apart by it, so that nobody uses up another's, and what is sent again with a
        new key counts once.
        """
        return self.of or self.id

    def good(self, now: float) -> bool:
        """Whether it may still be used at a moment."""
        return self.revoked is None or now < self.revoked


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
        """The key that a text is, good or not (see `Key.good`); None where it is none.

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
        return [msgspec.structs.replace(key, revoked=now) if key.id == name and key.good(now) else key for key in keys]

    return next(key for key in _change(path, revoked) if key.id == name)


def rotate_key(path: Path, name: str, now: float, overlap: float) -> tuple[Key, str]:
    """Make a key that follows another in all it may do; the old one goes on for `overlap` seconds.

    The new key, and its text. Raises ConfigError where there is no good key of that id, StorageError.
    """
    secret = secrets.token_hex(_SECRET_BYTES)
    id_ = secrets.token_hex(_ID_BYTES)

    def rotated(keys: Sequence[Key]) -> list[Key]:
        old = next((key for key in keys if key.id == name and key.good(now)), None)
        if old is None:
            raise ConfigError(
                f"there is no collector key {name!r} that still holds",
                where=str(path),
                hint="`tocsin keys list` names them",
            )
        new = msgspec.structs.replace(old, id=id_, hash=_hash(secret), created=now, revoked=None, of=old.scope)
        ends = now + overlap if old.revoked is None else min(old.revoked, now + overlap)
        return [*(msgspec.structs.replace(key, revoked=ends) if key is old else key for key in keys), new]

    made = next(key for key in _change(path, rotated) if key.id == id_)
    return made, f"{PREFIX}_{id_}_{secret}"


def _change(path: Path, change: Callable[[Sequence[Key]], list[Key]]) -> list[Key]:
    """Replace the file as a whole: what a crash leaves is the old one or the new one."""
    try:
        with alone(path.parent) as folder:
            keys = change(list_keys(path))
            replace(path, msgspec.json.format(msgspec.json.encode(_File(1, keys)), indent=1), folder)
    except OSError as error:
        raise StorageError(
            f"the collector keys cannot be written ({error.strerror})",
            where=str(path),
            hint="run the command as the user that runs Tocsin, and look whether the disk is full",
        ) from error
    return keys


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _unreadable(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"the collector keys cannot be read ({error})",
        where=str(path),
        hint="restore the file from a backup, or move it away and make new keys with `tocsin keys create`",
    )
