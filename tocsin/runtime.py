"""A running Tocsin: the log, the stages as worker threads, and what they share."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from importlib.metadata import version
from typing import Any, Final

from alerting.database.store import Store
from alerting.delivering.delivery import Delivery
from alerting.erasure import Person
from alerting.response.announce import standing
from alerting.response.evidence import Known
from alerting.runbook import Runbooks
from alerting.task import AlertTask
from alerting.wording.message import Messages
from collector.enrich import Enricher
from detectors.engine.engine import Engine
from detectors.engine.forgetting import forgotten
from detectors.engine.task import TASK, DetectTask
from stream.control import Control, Denied, DirectoryVersion, control_frame
from stream.facts import Facts
from stream.frame import Frame, Header
from stream.index.file import FILE as INDEX_FILE
from stream.index.file import FrameIndex
from stream.index.indexer import Indexer
from stream.log import EVENTS, FINDINGS
from stream.salt import fresh_salt
from stream.sqlite import open_log
from tocsin.client import TOKEN_FILE
from tocsin.containment.denying import Denying
from tocsin.containment.responding import Responding
from tocsin.coverage import counter as coverage_counter
from tocsin.coverage.modes import modes_in
from tocsin.coverage.reading import Covering, Looked
from tocsin.coverage.store import FILE as COVERAGE_FILE
from tocsin.coverage.store import CoverageStore
from tocsin.directory_watch import DirectoryWatch
from tocsin.event_export import exports_of
from tocsin.first_start import kept_secret
from tocsin.learning.nightly import Nightly
from tocsin.learning.shedding import Shedding
from tocsin.learning.warm_up import warm_up
from tocsin.observers import Observers
from tocsin.own_events import OwnEvents
from tocsin.proof.sealing import Sealing
from tocsin.receiving.inputs import Inputs
from tocsin.removal.erasing import Erasing
from tocsin.removal.keys_used import keys_used
from tocsin.removal.removing import AtWork, Removing
from tocsin.removal.retaining import Retaining
from tocsin.secrecy.encryption import columns_of, crypt_of
from tocsin.setup import Ready, reserve
from tocsin.upkeep.heartbeat import Heartbeat, Pulse
from tocsin.upkeep.metrics import Metrics
from tocsin.workers import Worker
from tocsin_audit.event import rfc3339

logger = logging.getLogger("tocsin")

SECRET_FILE: Final = "entity-key"  # noqa: S105  # the name of the file, not the key
"""Keys the ids under which detectors keep state, so that nobody can choose names that collide."""
WAIT: Final = 0.5
"""Seconds that a stage waits for work before it looks whether it should end."""
TICK: Final = 1.0
"""Seconds without an event after which the clock is told on."""
DRAIN: Final = 20.0
"""Seconds that a stage gets at the end to finish what is there."""


class Runtime:
    """Everything of one process but the HTTP server.

    `start` begins the stages, `stop` drains and ends them; in between `problems` says what cannot go on, and `ready`
    whether what was in the log at the start has been caught up with. `failed` is set when a stage died of a bug.
    """

    def __init__(self, ready: Ready, *, clock: Callable[[], float] = time.time) -> None:
        self.ready_made = ready
        self.clock = clock
        self.metrics = Metrics(clock)
        self.failed = threading.Event()
        self.on_failure: Callable[[], None] = self.failed.set
        self._ending = threading.Event()
        with ExitStack() as resources:
            crypt = crypt_of(ready.masters, ready.data, clock())
            self.log = resources.enter_context(
                open_log(ready.data, clock=clock, reserve_bytes=reserve(ready), salt=fresh_salt, crypt=crypt)
            )
            self.index = resources.enter_context(closing(FrameIndex(ready.data / INDEX_FILE, crypt)))
            self.token = kept_secret(ready.data / TOKEN_FILE)
            self.own_events = OwnEvents(lambda frame: self.log.append(EVENTS, frame), clock)
            self.store = Store(ready.database, columns_of(crypt))
            resources.callback(self.store.close)
            self.observers = Observers(self.metrics)
            self.runbooks = Runbooks()
            self._secret = secret = kept_secret(ready.data / SECRET_FILE).encode()
            self.engine = Engine(ready.detectors, Facts(ready.directory), secret=secret)
            self.detect = DetectTask(self.log, self.engine, observer=self.metrics)
            self.deliveries = [
                Delivery(self.store, plan.name, plan.make(), pager=plan.pager, clock=clock, observer=self.observers)
                for plan in ready.sinks
            ]
            self.alert = AlertTask(
                self.log,
                self.store,
                ready.policies,
                routes=ready.routes,
                texts=Messages(self.runbooks),
                observer=self.observers,
                wake=self._wake,
            )
            streams = (EVENTS, FINDINGS)
            changed = self.own_events.changed
            self.sealing = Sealing(ready, self.log, streams, self.store, clock, self._ending, changed)
            resources.callback(self.sealing.close)
            versions = {one.spec.name: one.spec.version for one in ready.detectors}
            modes = modes_in((one.spec for one in ready.detectors), ready.modes)
            self.covering = Covering(
                self.log,
                CoverageStore(ready.data / COVERAGE_FILE, crypt, ready.config.retention.coverage),
                self._tell,
                lambda: Looked(self.engine.clock, versions, modes),
                lambda: dict(self.metrics.faulty),
                self.metrics.refused,
            )
            resources.callback(self.covering.close)
            coverage_counter.offer(self.metrics.watch, lambda: self.covering.counter)
            self._resources = resources.pop_all()
        self.retaining = Retaining(
            self.log,
            self.store,
            self.sealing.ledger,
            self.sealing.note,
            ready.config.retention,
            ready.data,
            folded=lambda: self.log.position(TASK),
            decided=lambda: self.decided,
            tenant_of=lambda event: self.engine.facts.tenant(event),
            crypt=crypt,
            index=self.index,
            used=keys_used(ready.data, self.store),
        )
        self.erasing = Erasing(self.retaining, self._forget, lambda: self.directory.directory)
        self.removing = Removing(self.retaining, ready.config.retention.hour, clock, self._ending)
        self.directory = DirectoryWatch(
            ready.directory_path, ready.directory, self._changed, digest=ready.directory_digest
        )
        self.denying = Denying(self.log, lambda: self.directory.directory, clock, standing(self.store, clock()))
        self.responding = Responding(
            self.store,
            self.log,
            ready.policies.containment,
            self.runbooks,
            lambda: Known(self.directory.directory, self.directory.digest),
            self._announce,
            clock,
        )
        self._target = self.log.end(EVENTS)
        self._saved = clock()
        self.decided = self.alert.position
        self._nightly = Nightly(
            self.log, lambda: self.directory.directory, ready.detectors, lambda: self.engine.clock, self._tell
        )
        self.inputs = Inputs(
            ready.inputs,
            log=self.log,
            state=self.log,
            replay=self.log,
            observer=self.metrics,
            clock=clock,
            worker=self._worker,
            registry=self.metrics.registry,
            enrich=lambda: Enricher(ready.enrich, lambda: self.directory.directory),
        )
        self._indexer = Indexer(self.index, self.log, lambda: self.detect.position)
        self.exports = exports_of(ready.sinks, self.log)
        self._heartbeat = Heartbeat(ready.heartbeat, self._pulse) if ready.heartbeat is not None else None
        self._shedding = Shedding(
            lambda: max(0.0, clock() - self.engine.clock) if self.caught_up else None,
            lambda: self.engine.warmup.shed,
            self._tell,
            [one.spec.name for one in ready.detectors],
            self._ending.wait,
        )
        self._workers = [
            *self.inputs.workers,
            self._worker("detect", self._detect),
            self._worker("alert", self._alert),
            self._worker("clock", self._tick),
            self._worker("seal", self.sealing.seal),
            self._worker("anchor", self.sealing.anchor),
            self._worker("coverage", self.covering.turn),
            self._worker("index", self._index),
            self._worker("retention", self.removing.turn),
            self._worker("directory", self.directory.look),
            self._worker("respond", self.responding.turn),
            self._worker("shedding", self._shedding.turn),
        ]

    @property
    def caught_up(self) -> bool:
        """Whether everything that was in the log at the start has been folded and decided."""
        return self.detect.settled >= self._target and not self.detect.replaying

    def removal(self) -> AtWork:
        """What removes data here."""
        return AtWork(self.retaining, self.erasing, self.removing)

    @property
    def problems(self) -> dict[str, str]:
        """The stages that cannot go on, with the reason."""
        return {
            worker.name: worker.problem or repr(worker.failed)
            for worker in self._workers
            if worker.problem is not None or worker.failed is not None
        }

    def status(self) -> dict[str, Any]:
        """Where every stage stands, for people and machines."""
        return {
            "version": version("tocsin"),
            "ready": self.caught_up and not self.problems,
            "problems": self.problems,
            "clock": rfc3339(self.engine.clock),
            "accepted": self.metrics.total_accepted,
            "findings": self.metrics.total_findings,
            "delivered": self.metrics.total_delivered,
            "events": {"end": self.log.end(EVENTS), "folded": self.detect.settled},
            "outputs": {"end": self.log.end(FINDINGS), "decided": self.decided},
            "detectors": [detector.spec.name for detector in self.ready_made.detectors],
            "warm_up": warm_up(self.engine),
            "shed": sorted(self.engine.warmup.shed),
            "inputs": self.inputs.summary(),
            "sinks": [plan.name for plan in self.ready_made.sinks],
            "event_exports": {export.name: export.status() for export in self.exports},
            "ledger": self.sealing.status(),
            "retention": self.removing.status(),
        }

    def start(self) -> None:
        """Tell the log what is known today, and begin."""
        self._changed()
        for mode in self.ready_made.modes:
            self._tell(mode)
        for delivery in self.deliveries:
            delivery.start()
        for worker in self._workers:
            worker.start()
        self._nightly.start()
        if self._heartbeat is not None:
            self._heartbeat.start()
        for export in self.exports:
            export.start()

    def stop(self) -> None:
        """Finish what was accepted, make a snapshot, and give everything back."""
        self._ending.set()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        self._nightly.stop()
        for worker in self._workers:
            worker.stop()
        self._wake()
        self.inputs.wake()
        self.responding.end()
        ended = [worker.join(DRAIN) for worker in self._workers]
        if all(ended) and not self.failed.is_set():
            self.inputs.close()
            self._drain()
        for export in self.exports:
            export.stop()
        for delivery in self.deliveries:
            if not delivery.stop():
                logger.warning("a sink has not answered; its alerts are tried again at the next start")
        if all(ended) and not self.failed.is_set():
            self.sealing.end()
        self._resources.close()

    def _worker(self, name: str, turn: Callable[[], object]) -> Worker:
        return Worker(
            name,
            turn,
            on_failure=lambda: self.on_failure(),
            on_problem=lambda stage, there: self.metrics.problem(stage, there=there),
        )

    def _detect(self) -> None:
        self.detect.advance(wait=WAIT)
        if self.clock() - self._saved >= self.ready_made.config.snapshot_seconds:
            self.detect.begin_save()
            self._saved = self.clock()
        elif self.detect.saving:
            # The next one begins that long after this one's end.
            self._saved = self.clock()

    def _alert(self) -> None:
        self.alert.advance(wait=WAIT)
        # Set after the observers have heard, so that whoever waits for an act finds what came of it.
        self.decided = self.alert.position

    def _index(self) -> None:
        if not self._indexer.advance():
            self._ending.wait(WAIT)

    def _tick(self) -> None:
        before = self.log.end(EVENTS)
        if not self._ending.wait(TICK) and self.log.end(EVENTS) == before:
            tick = Frame(Header(received=self.clock(), content="tick", codec="none"), b"")
            self.log.append(EVENTS, tick).result()

    def _changed(self) -> None:
        """Say what the directory is: to alerting, which excepts what its grants cover, and to those who detect.

        Alerting comes first, so that no grant that was taken back covers what is found from then on.
        """
        version = DirectoryVersion(self.directory.directory, self.directory.digest)
        self.log.append(FINDINGS, control_frame(version, self.clock())).result()
        self._tell(version)

    def _tell(self, record: Control) -> None:
        self.log.append(EVENTS, control_frame(record, self.clock())).result()

    def _forget(self, person: Person) -> int:
        self._tell(forgotten(person.name, person.tenant, self._secret, self.clock()))
        return 1

    def _announce(self, denied: Denied) -> None:
        self._tell(denied)
        self.denying.heard(denied)

    def _pulse(self) -> Pulse:
        return Pulse(self.alert.clock, tuple(sorted(self.problems)))

    def _wake(self) -> None:
        self.responding.wake()
        for delivery in self.deliveries:
            delivery.wake()

    def _drain(self) -> None:
        while self.detect.advance(wait=0.0):
            pass
        self.detect.save()
        while self.alert.advance(wait=0.0):
            pass
        logger.info("drained", extra={"events": self.detect.position, "findings": self.log.end(FINDINGS)})
