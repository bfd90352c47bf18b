"""The directory file while Tocsin runs: a change becomes a version in the log; a broken one is told and ignored."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from stream.directory import Directory
from tocsin.config.directory_file import read_directory
from tocsin.config.faults import FaultsError

logger = logging.getLogger("tocsin.directory")

PAUSE: Final = 0.5
"""Seconds between two looks at the file."""


class DirectoryWatch:
    """The directory in force, and the file that it came from."""

    def __init__(
        self, path: Path | None, directory: Directory, changed: Callable[[], None], *, digest: str = ""
    ) -> None:
        self.directory = directory
        self.digest = digest
        self._path = path
        self._changed = changed
        self._untold = False
        self._seen: tuple[int, int] | None = self._stamp()
        self._pause = threading.Event()

    def look(self) -> None:
        """Wait a little, and take over the file if it has changed; raises what `changed` raises."""
        self._pause.wait(PAUSE)
        if self._path is None or (stamp := self._stamp()) == self._seen:
            return
        try:
            directory, digest = read_directory(self._path)
        except FaultsError as error:
            logger.error("the changed directory is not taken over: %s", error)
            self._seen = stamp
            return
        if directory != self.directory or self._untold:
            self.directory, self.digest = directory, digest
            self._untold = True
            self._changed()
            self._untold = False
            logger.info("directory taken over", extra={"file": str(self._path), "digest": digest[:12]})
        self._seen = stamp

    def _stamp(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size
