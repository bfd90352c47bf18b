"""Denials in a process that listens: who is told to refuse whom, and who says that they do."""

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future

from alerting.task import act_frame
from collector.denials import Board, Obedience
from collector.producer import Told
from stream.control import Denied, Obeyed
from stream.directory import Directory
from stream.log import FINDINGS, Log

logger = logging.getLogger("tocsin.denials")


class Denying:
    """What a listener knows of denials; `told` is what producers are told."""

    def __init__(
        self,
        log: Log,
        directory: Callable[[], Directory],
        clock: Callable[[], float],
        standing: Iterable[Denied] = (),
    ) -> None:
        self._log = log
        self._directory = directory
        self._clock = clock
        self.board = Board(standing)
        self.obedience = Obedience(self.board, self._report)
        self._told = Told(directory(), self.board.denials)

    def told(self) -> Told:
        """What producers are told now; the same object while nothing changes."""
        directory, denials = self._directory(), self.board.denials
        if self._told.directory is not directory or self._told.denials is not denials:
            self._told = Told(directory, denials)
        return self._told

    def heard(self, denied: Denied) -> None:
        """A denial stands in the log: have it obeyed."""
        if self.board.apply(denied, self._clock()):
            self.changed(denied)

    def changed(self, denied: Denied) -> None:
        """The board changed: ask those who are there."""
        lifted = denied.until <= self._clock()
        logger.info("denial lifted" if lifted else "denial", extra={"denial": denied.id, "subject": denied.subject})
        self.obedience.asked(denied, self._clock())

    def _report(self, obeyed: Obeyed, failed: Callable[[], None]) -> None:
        def ended(future: Future[int]) -> None:
            if future.exception() is not None:
                failed()

        self._log.append(FINDINGS, act_frame(obeyed, obeyed.at)).add_done_callback(ended)
