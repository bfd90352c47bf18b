"""A client's configuration on disk: read, shown, and replaced in one step with a backup beside it."""

import contextlib
import difflib
import os
import tempfile
from pathlib import Path
from typing import Final

from stream.errors import RejectedError, StorageError

SUFFIX: Final = ".before-tocsin"
_MOST: Final = 8 * 1024 * 1024


class ClientFile:
    """One file, and the backup of what it was before its first change."""

    def __init__(self, path: Path) -> None:
        """Raises RejectedError where it is not there or no text, StorageError where it cannot be read."""
        self.path = path.resolve()
        self.backup = self.path.with_name(self.path.name + SUFFIX)
        try:
            data = self.path.read_bytes()
            self.text = data.decode("utf-8")
            self.before = self.backup.read_bytes().decode("utf-8") if self.backup.exists() else None
        except FileNotFoundError:
            raise RejectedError(
                "there is no such file", where=str(path), hint="name the client's configuration file"
            ) from None
        except UnicodeDecodeError as error:
            raise RejectedError("is no UTF-8 text", where=str(path)) from error
        except OSError as error:
            raise StorageError(f"cannot be read ({error.strerror})", where=str(path)) from error
        if len(data) > _MOST:
            raise RejectedError(f"is larger than {_MOST} bytes", where=str(path))

    def difference(self, text: str) -> str:
        """What a new text changes, as a unified diff."""
        name = self.path.name
        lines = difflib.unified_diff(
            self.text.splitlines(keepends=True), text.splitlines(keepends=True), name, f"{name} (new)", n=2
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def replace(self, text: str, *, backup: str | None) -> None:
        """Put a new text in its place, with a backup beside it, or without one any more. Raises StorageError.

        The file is as it was or as it should be at every moment; its mode stays.
        """
        try:
            if backup is not None and backup != self.before:
                self._put(self.backup, backup)
            self._put(self.path, text)
            if backup is None:
                self.backup.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot be written ({error.strerror})", where=str(self.path)) from error

    def _put(self, path: Path, text: str) -> None:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(self.path.stat().st_mode & 0o7777)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
