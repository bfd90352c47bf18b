"""A backup of a data directory, also of one that is in use: everything that a restored Tocsin goes on from."""

import io
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.encryption.keys import Master
from stream.errors import StorageError
from stream.sqlite import EVENTS_FOLDER, FINDINGS_FILE
from tocsin.backup.archive import Head, Writer, compressed
from tocsin_audit.event import rfc3339

MANIFEST: Final = "manifest.json"
SKIPPED: Final = ("lock", "index.sqlite", "*-wal", "*-shm", "*-journal", "*.part")
"""What belongs to a running process, not to the data, or is made of the data again."""
FIRST: Final = ("ledger.sqlite", "alerts.sqlite", "state.sqlite", "inputs.sqlite", FINDINGS_FILE)
"""Databases in the order in which they are copied: whatever one knows of another, the other's copy is newer."""

Progress = Callable[[int], None]


class Entry(msgspec.Struct, frozen=True):
    """A file of a backup: its name in the data directory, its size and its SHA-256."""

    name: str
    size: int
    digest: str


class Made(NamedTuple):
    """What a backup holds."""

    files: int
    size: int
    encrypted: bool


def size_of(data: Path) -> int:
    """Bytes that are about to be copied; raises StorageError where there is no data directory."""
    return sum(path.stat().st_size for path in _files(data))


def back_up(data: Path, out: Path, now: float, master: Master | None, progress: Progress = lambda _: None) -> Made:
    """Write a backup for its owner alone; a file that is there is never overwritten. `now` is in seconds.

    Each database is copied at one moment, and in an order in which none knows of what another's copy lacks; what was
    derived and is missing is derived anew after a restore. Raises StorageError where it cannot be read or written.
    """
    files = list(_files(data))
    entries: list[Entry] = []
    part = out.with_name(f"{out.name}.part")
    if out.exists():
        raise StorageError("there is such a file already", where=str(out), hint="choose another name")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with (
            os.fdopen(descriptor, "wb") as file,
            tempfile.TemporaryDirectory(dir=out.parent, prefix=".tocsin-") as near,
        ):
            head = Head(made=rfc3339(now), by=f"tocsin {version('tocsin')}")
            writer = Writer(file, head, master)
            with (
                compressed(writer) as stream,
                tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                for path in files:
                    entries.append(_add(tar, path, path.relative_to(data).as_posix(), Path(near)))
                    progress(path.stat().st_size if path.exists() else 0)
                _put(tar, MANIFEST, io.BytesIO(content := msgspec.json.encode(entries)), len(content))
            writer.close()
            file.flush()
            os.fsync(file.fileno())
        # Fails where somebody made the file meanwhile, in place of overwriting it.
        os.link(part, out)
        part.unlink()
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"the backup cannot be written ({error})", where=str(out)) from error
    return Made(len(entries), out.stat().st_size, master is not None)


def _files(data: Path) -> Iterator[Path]:
    """What is copied, in order: databases as `FIRST` has it, then the log by day, then small files, keys last."""
    if not (data / EVENTS_FOLDER).is_dir():
        raise StorageError("there is no log here", where=str(data), hint="name the data directory with --data")
    there = [path for path in data.rglob("*") if path.is_file() and not path.is_symlink()]
    kept = [path for path in there if not any(path.match(pattern) for pattern in SKIPPED)]

    def place(path: Path) -> tuple[int, str]:
        name = path.relative_to(data).as_posix()
        if name in FIRST:
            return FIRST.index(name), name
        return len(FIRST) + (0 if path.suffix == ".sqlite" else 1), name

    yield from sorted(kept, key=place)


def _add(tar: tarfile.TarFile, path: Path, name: str, near: Path) -> Entry:
    if path.suffix != ".sqlite":
        content = path.read_bytes()
        _put(tar, name, io.BytesIO(content), len(content))
        return Entry(name, len(content), sha256(content).hexdigest())
    copy = near / "copy.sqlite"
    copy.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    digest, size = sha256(), copy.stat().st_size
    with copy.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
        file.seek(0)
        _put(tar, name, file, size)
    return Entry(name, size, digest.hexdigest())


def _put(tar: tarfile.TarFile, name: str, content: io.IOBase, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    tar.addfile(info, content)
