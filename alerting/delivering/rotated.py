"""A file of lines that only grows, is durable when it says so, and is put aside when it is full."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

MODE: Final = 0o640


class Rotated:
    """Lines in `path`; what is full becomes `path.1` and so on, of which `keep` are kept. Raises OSError."""

    def __init__(self, path: Path, *, limit: int, keep: int) -> None:
        self._path = path
        self._limit = limit
        self._keep = keep

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines, durable on return; a torn one that a crash left at the end is ended first."""
        if not lines:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._rotate()
        new = not self._path.exists()
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, MODE)
        try:
            end = os.lseek(file, 0, os.SEEK_END)
            torn = end > 0 and os.pread(file, 1, end - 1) != b"\n"
            payload = (b"\n" if torn else b"") + b"".join(line + b"\n" for line in lines)
            while payload:
                payload = payload[os.write(file, payload) :]
            os.fsync(file)
        finally:
            os.close(file)
        if new:
            self._sync_folder()

    def holding(self, marks: Iterable[bytes]) -> set[bytes]:
        """Which of these stand in a whole line of the file or of the one before it."""
        wanted, found = set(marks), set[bytes]()
        for path in (self._path, self._aside(1)):
            if wanted and path.exists():
                with path.open("rb") as file:
                    for line in file:
                        if line.endswith(b"}\n"):
                            found |= {mark for mark in wanted if mark in line}
        return found

    def _rotate(self) -> None:
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        if size < self._limit:
            return
        for number in range(self._keep, 1, -1):
            if self._aside(number - 1).exists():
                self._aside(number - 1).replace(self._aside(number))
        self._path.replace(self._aside(1))
        self._sync_folder()

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
