"""Worker threads: one a stage, which goes on by itself after a storage problem and stops the program after a bug."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from stream.errors import TocsinError

logger = logging.getLogger("tocsin.worker")

PAUSE: Final = 1.0
"""Seconds before a stage that cannot go on tries again."""


class Worker:
    """Calls `turn` again and again in a thread of its own until told to stop.

    A TocsinError is something an operator can mend: it is logged once, shown as the stage's problem, and tried again.
    Any other error is a bug: the stage ends, `failed` holds the error, and `on_failure` is called.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], object],
        *,
        on_failure: Callable[[], None],
        on_problem: Callable[[str, bool], None],
    ) -> None:
        self.name = name
        self.problem: str | None = None
        self.failed: BaseException | None = None
        self._turn = turn
        self._on_failure = on_failure
        self._on_problem = on_problem
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tocsin-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the stage to end after its present turn."""
        self._stop.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came. A stage that never began has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._turn()
            except TocsinError as error:
                self._trouble(str(error))
                self._stop.wait(PAUSE)
            except BaseException as error:  # a bug must stop the program loudly, whatever it is
                self.failed = error
                logger.critical("stage failed", extra={"stage": self.name}, exc_info=error)
                self._on_failure()
                return
            else:
                if self.problem is not None:
                    logger.info("stage goes on", extra={"stage": self.name})
                    self.problem = None
                    self._on_problem(self.name, False)

    def _trouble(self, text: str) -> None:
        if self.problem != text:
            logger.error("stage cannot go on: %s", text, extra={"stage": self.name})
        self.problem = text
        self._on_problem(self.name, True)
