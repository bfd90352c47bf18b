"""The nightly job: trains on what the log holds and tells the log of every model that stood its trial."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, Protocol, runtime_checkable

from detectors.base import AnyDetector
from detectors.outlier import NAME
from stream.control import Model
from stream.directory import Directory
from stream.errors import TocsinError
from stream.facts import Facts
from stream.frame import Record
from stream.log import EVENTS, Stream
from tocsin.learning.training import DAY, Outcome, gather, summary, table, train

logger = logging.getLogger("tocsin.learning.training")

JOB: Final = "training"
JITTER: Final = 900
"""Seconds by which the nightly start is spread."""
GRACE: Final = 6 * 3_600
"""Seconds after its hour at which a job that was missed is still run."""


@runtime_checkable
class Searchable(Protocol):
    """What a training needs of a log."""

    def within(self, stream: Stream, since: float, until: float, *, newest_first: bool = False) -> Iterator[Record]:
        """Frames with event times in `[since, until)`."""
        ...


def train_now(
    log: Searchable,
    directory: Directory,
    detector: AnyDetector,
    now: float,
    tell: Callable[[Model], object],
    *,
    pause: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Train every tenant on the last weeks of a log and tell of each new model; what became of each tenant.

    `now` is the log's clock; `pause` is called between frames. Raises DamagedError where a frame cannot be read.
    """
    parameters = detector.parameters
    records = log.within(EVENTS, now - parameters["train_days"] * DAY, now)
    hours = gather(records, detector, Facts(directory), pause=pause)
    outcomes = list(train(table(hours, now), now, parameters["share"]))
    for outcome in outcomes:
        if outcome.model is not None:
            tell(outcome.model)
        else:
            logger.info("no new model", extra={"tenant": outcome.tenant, "why": outcome.why})
    logger.info("trained", extra={"principals": len(hours), **summary(outcomes)})
    return outcomes


class Nightly:
    """Runs the training each night in a thread of its own that takes at most half of the time.

    `ours` says when the hour has come whether it is this process's turn, where several plan the same night.
    """

    def __init__(
        self,
        log: object,
        directory: Callable[[], Directory],
        detectors: tuple[AnyDetector, ...],
        clock: Callable[[], float],
        tell: Callable[[Model], object],
        *,
        ours: Callable[[], bool] = lambda: True,
    ) -> None:
        self._log = log
        self._ours = ours
        self._directory = directory
        self._detector = next((one for one in detectors if one.spec.name == NAME), None)
        self._clock = clock
        self._tell = tell
        self._scheduler: Any = None
        self._ending = False

    def start(self) -> None:
        """Plan the nights; nothing where the detector does not run, or the log cannot be read by time."""
        if self._detector is None:
            return
        if not isinstance(self._log, Searchable):
            logger.info("no models are trained: this log cannot be read by time")
            return
        from apscheduler.schedulers.background import BackgroundScheduler
        from apscheduler.triggers.cron import CronTrigger

        trigger = CronTrigger(hour=int(self._detector.parameters["train_hour"]), timezone="UTC", jitter=JITTER)
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._scheduler.add_job(self.run, trigger, id=JOB, max_instances=1, coalesce=True, misfire_grace_time=GRACE)
        self._scheduler.start()

    @property
    def planned(self) -> datetime | None:
        """When the next training begins; None where none is planned."""
        job = self._scheduler.get_job(JOB) if self._scheduler is not None else None
        return job.next_run_time if job is not None else None

    def stop(self) -> None:
        """Plan no more, and end a training that is under way at its next frame."""
        self._ending = True
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)

    def run(self) -> None:
        """Train once, if it is ours to do; what goes wrong is logged and tried again the next night."""
        if not self._ours():
            return
        assert self._detector is not None
        assert isinstance(self._log, Searchable)
        begin = time.monotonic()

        def pause() -> None:
            nonlocal begin
            if self._ending:
                raise _EndedError("the program ends")
            worked = time.monotonic() - begin
            if worked > 0.05:
                time.sleep(min(worked, 1.0))
                begin = time.monotonic()

        try:
            train_now(self._log, self._directory(), self._detector, self._clock(), self._tell, pause=pause)
        except _EndedError:
            return
        except TocsinError as error:
            logger.error("training failed: %s", error)


class _EndedError(Exception):
    """The program ends while a training is under way."""
