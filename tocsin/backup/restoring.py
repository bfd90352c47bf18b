"""Restoring a backup: into a new data directory, checked file by file, and there as a whole or not at all."""

import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Final

import msgspec
import zstandard

from stream.encryption.keys import Master
from stream.errors import DamagedError, StorageError
from tocsin.backup.archive import Head, Reader, expanded
from tocsin.backup.backing_up import MANIFEST, Entry

DEEPEST: Final = 2
"""Names in a path of a backup: a folder and a file."""
PUBLIC: Final = ".pub"
_ENTRIES: Final = msgspec.json.Decoder(list[Entry])


class Restored(msgspec.Struct, frozen=True):
    """What came back: how many files and bytes, and what the backup says of itself."""

    files: int
    size: int
    head: Head


def restore(
    file: Path, data: Path, masters: tuple[Master, ...] = (), progress: Callable[[int], None] = lambda _: None
) -> Restored:
    """Put a backup into a data directory that is not there yet, or empty.

    Raises StorageError where there is something already or it cannot be written, DamagedError where the backup is not
    what was written, ConfigError where its master key is not there.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise StorageError("there is something already", where=str(data), hint="restore into a new directory")
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data.parent, prefix=".tocsin-restore-") as near, file.open("rb") as opened:
            whole = Path(near) / "data"
            whole.mkdir(mode=0o700)
            reader = Reader(opened, file, masters)
            try:
                files, size = _extract(reader, file, whole, lambda: progress(opened.tell()))
            except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
                raise _damaged(file, f"cannot be read ({error})") from error
            if data.exists():
                data.rmdir()
            shutil.move(whole, data)
    except OSError as error:
        raise StorageError(f"it cannot be restored ({error})", where=str(data)) from error
    return Restored(files, size, reader.head)


def _extract(reader: Reader, file: Path, into: Path, step: Callable[[], None]) -> tuple[int, int]:
    found: dict[str, Entry] = {}
    told: list[Entry] | None = None
    with expanded(reader) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            source = tar.extractfile(member)
            if not member.isreg() or source is None or told is not None or member.name in found:
                raise _damaged(file, f"holds something that no backup holds ({member.name[:80]!r})")
            if member.name == MANIFEST:
                told = _ENTRIES.decode(source.read())
                continue
            found[member.name] = _written(source, _place(member.name, file), into)
            step()
    if told is None or {entry.name: entry for entry in told} != found:
        raise _damaged(file, "is not whole, or holds other files than it says")
    return len(found), sum(entry.size for entry in found.values())


def _place(name: str, file: Path) -> PurePosixPath:
    """A name that stays within the data directory."""
    place = PurePosixPath(name)
    bad = place.is_absolute() or len(place.parts) > DEEPEST or any(part in ("..", ".", "") for part in place.parts)
    if bad or not place.parts or "\\" in name or "\0" in name:
        raise _damaged(file, f"names a file outside the data directory ({name[:80]!r})")
    return place


def _written(source: IO[bytes], place: PurePosixPath, into: Path) -> Entry:
    path = into / place
    path.parent.mkdir(mode=0o700, exist_ok=True)
    mode = 0o644 if path.suffix == PUBLIC else 0o600
    digest, size = sha256(), 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        while part := source.read(1 << 20):
            digest.update(part)
            size += len(part)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    return Entry(place.as_posix(), size, digest.hexdigest())


def _damaged(file: Path, what: str) -> DamagedError:
    return DamagedError(what, where=str(file), hint="use another backup")
