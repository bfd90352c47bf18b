"""The write-ahead log of a database, emptied by a thread of its own so that commits hardly ever wait for it."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from stream.embedded.file import connect

LARGE: Final = 4 * 1024 * 1024
"""Bytes written since the last checkpoint that call for the next."""
ROUNDS: Final = 2
"""Passive checkpoints, beside which commits go on, before the short one that holds them up."""

_LOG: Final = logging.getLogger(__name__)


class Wal:
    """One database's write-ahead log, and whose turn it is: the writer's or the checkpoint's.

    The checkpoint takes precedence: it holds `_next` while it waits, so that a busy writer cannot starve it. Once all
    of the log is in the database and nobody reads from it, the writer begins it anew, so that the file keeps its size.
    None of it waits for readers.
    """

    def __init__(self, path: Path, jobs: "Checkpointer") -> None:
        self._path = path
        self._jobs = jobs
        self._next = threading.Lock()
        self._turn = threading.Lock()
        self._written = 0
        self._asked = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The writer's turn."""
        with self._next:
            self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    def grew(self, size: int) -> None:
        """Count what a commit wrote, in bytes; asks for a checkpoint when it is much."""
        self._written += size
        if self._written >= LARGE and not self._asked:
            self._asked = True
            self._jobs.put(self._checkpoint)

    def _checkpoint(self) -> None:
        try:
            connection = connect(self._path, writes=True)
            try:
                for _ in range(ROUNDS):
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                with self._next:
                    self._turn.acquire()
                try:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    self._written = 0
                finally:
                    self._turn.release()
            finally:
                connection.close()
        finally:
            self._asked = False


class Checkpointer:
    """A thread for what takes long and that no commit should wait for: checkpoints, and closing files."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Do something soon; a failure is logged and the next checkpoint tries again."""
        self._jobs.put(job)

    def close(self) -> None:
        """Do what was put, and end."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except sqlite3.Error as error:
                _LOG.warning("a checkpoint failed and will be tried again", extra={"error": str(error)})
