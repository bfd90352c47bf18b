"""The roles of a Tocsin on Kafka: listen, detect and alert, one or several of them in one process."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from importlib.metadata import version
from typing import Any, Final

from alerting.database.store import Store
from alerting.delivering.delivery import Delivery
from alerting.response.evidence import Known
from alerting.runbook import Runbooks
from alerting.task import AlertTask
from alerting.wording.message import Messages
from collector.enrich import Enricher
from stream.broker.address import Address
from stream.broker.group import Membership
from stream.broker.writer import PATIENCE
from stream.control import Control, DirectoryVersion, control_frame
from stream.embedded.state import SqliteState
from stream.embedded.wal import Checkpointer
from stream.frame import Frame, Header
from stream.index.file import FrameIndex
from stream.log import EVENTS, FINDINGS, Stream
from stream.spread import Spread
from tocsin.client import TOKEN_FILE
from tocsin.containment.denying import Denying
from tocsin.containment.responding import Responding
from tocsin.coverage import counter as coverage_counter
from tocsin.coverage.following import Following
from tocsin.directory_watch import DirectoryWatch
from tocsin.first_start import kept_secret
from tocsin.learning.nightly import Nightly
from tocsin.observers import Observers
from tocsin.own_events import OwnEvents
from tocsin.proof.sealing import Sealing
from tocsin.receiving.inputs import Inputs
from tocsin.removal.removing import AtWork
from tocsin.roles import alert as roles_alert
from tocsin.roles import coverage as roles_coverage
from tocsin.roles import detect as roles_detect
from tocsin.roles import log as roles_log
from tocsin.roles import respond as roles_respond
from tocsin.roles import seal as roles_seal
from tocsin.roles.alert import Alerting
from tocsin.roles.coverage import Counting
from tocsin.roles.detect import Detecting, fence_of, nightly_of
from tocsin.roles.metrics import watch
from tocsin.roles.removal import RemovingThere
from tocsin.roles.seal import Sealers
from tocsin.roles.shedding import shedding_of
from tocsin.roles.tasks import tasks_in, tasks_of
from tocsin.secrecy.encryption import carried_crypt, columns_of
from tocsin.setup import Ready, reserve
from tocsin.upkeep.heartbeat import Heartbeat, Pulse
from tocsin.upkeep.metrics import Metrics
from tocsin.workers import Worker

logger = logging.getLogger("tocsin")

LISTEN: Final = "listen"
DETECT: Final = "detect"
ALERT: Final = "alert"
SEAL: Final = "seal"
ALL: Final = frozenset({LISTEN, DETECT, ALERT, SEAL})
INPUTS_FILE: Final = "inputs.sqlite"
"""How far inputs are, in the data directory of each listener."""
PROMPT: Final = 8.0
"""Seconds within which a listener says whether events are durable: who sends them waits for ten."""
DRAIN: Final = 20.0
"""Seconds that a stage gets at the end to finish its turn."""


class Roles:
    """Everything of one process but its HTTP server; what stands where `Runtime` has the same name means the same.

    Any number of processes may have any roles: a listener keeps nothing, detectors share the partitions of the events,
    and of those that alert one decides while the others stand by.
    """

    def __init__(self, ready: Ready, roles: frozenset[str] = ALL, *, clock: Callable[[], float] = time.time) -> None:
        self.ready_made = ready
        self.roles = roles
        self.clock = clock
        self.metrics = Metrics(clock)
        self.observers = Observers(self.metrics)
        self.runbooks = Runbooks()
        self.failed = threading.Event()
        self.on_failure: Callable[[], None] = self.failed.set
        self.detecting: Detecting | None = None
        self.alerting: Alerting | None = None
        self.sealers: Sealers | None = None
        self.removal: Callable[[], AtWork | None] = lambda: None
        self._nightly: Nightly | None = None
        self.store: Store | None = None
        self.index: FrameIndex | None = None  # a log on Kafka is looked through by time
        self.covering: Following | None = None
        self.denying: Denying | None = None
        self.responding: Responding | None = None
        self._memberships: list[Membership] = []
        self._ending = threading.Event()
        self._workers: list[Worker] = []
        reserve(ready)  # makes the data directory: keys, tokens and SQLite's alerts live in it
        with ExitStack() as resources:
            self.token = kept_secret(ready.data / TOKEN_FILE)
            address = roles_log.address_of(ready.loaded)
            topic = f"{address.prefix}.{EVENTS.name}"
            self.crypt = carried_crypt(ready.masters, clock())
            patience = PROMPT if DETECT not in roles else PATIENCE
            log = roles_log.open_checked(ready.loaded, address, self._fence, self.crypt, patience)
            self.log = resources.enter_context(log)
            if DETECT in roles:
                self._detects = self._joined(roles_detect.GROUP, topic, resources)
                self._vouch = fence_of(topic, self._detects)
                secret = roles_log.entity_key(self.log)
                self.detecting = Detecting(
                    self.log,
                    self._detects,
                    tasks_of(self.log, self.log.partitions, ready.detectors, secret=secret, observer=self.metrics),
                    snapshot_seconds=min(ready.config.snapshot_seconds, 10.0),
                    clock=clock,
                )
                self._add("detect", self.detecting.turn)
                self._add("clock", partial(self._each_second, self.detecting.tick))
                seen = self.detecting, self.log, ready.detectors
                self._add("shedding", shedding_of(*seen, self._tell, clock, self._ending.wait).turn)
                self._nightly = nightly_of(self.log, self.detecting, ready.detectors, self._tell)
            if ALERT in roles:
                self.store = self._opened()
                resources.callback(self.store.close)
                self.covering = roles_coverage.following(address, ready, self.crypt, resources)
                self._add("coverage", self.covering.turn)
                group = self._joined(roles_alert.GROUP, f"{address.prefix}.{FINDINGS.name}", resources)
                self.alerting = Alerting(group, self._decider, self._senders, self._place)
                self._add("alert", self.alerting.turn)
            if SEAL in roles:
                self._seals = self.store or resources.enter_context(closing(self._opened()))
                group = self._joined(roles_seal.GROUP, f"{address.prefix}.{FINDINGS.name}", resources)
                self.sealers = Sealers(group, self._sealing, ready.config.ledger.anchor_seconds)
                self._add("seal", self.sealers.turn)
                removing = RemovingThere(self, self._seals, self.sealers, self._tell, self._ending)
                self.removal = removing.at_work
                self._add("retention", removing.turn)
                counting = Counting(address, ready, self.crypt, self._say, self._seals_now, resources)
                coverage_counter.offer(self.metrics.watch, counting.counter)
                self._add("counting", counting.turn)
            self.spread = Spread(self.log)
            self.own_events = OwnEvents(lambda frame: self.spread.append(EVENTS, frame), clock)
            self.directory = DirectoryWatch(
                ready.directory_path, ready.directory, self._changed, digest=ready.directory_digest
            )
            self.inputs: Inputs | None = None
            if LISTEN in roles:
                self._add("directory", self.directory.look)
                self._add("log", partial(self._each_second, self._write))
                self.inputs = self._inputs(resources)
                self._workers += self.inputs.workers
                self._add("denials", self._following(address, resources))
                refusing = roles_coverage.refusing(self.metrics, self._say, clock, self._ending)
                self._add("refusals", refusing.turn)
            if self.store is not None:
                self.responding = self._responding(self.store)
                self._add("respond", self._respond)
            self._resources = resources.pop_all()
        self._heartbeat = Heartbeat(ready.heartbeat, self._pulse) if ready.heartbeat and self.alerting else None
        watch(self.metrics, self.log, self.detecting, self.alerting, clock)

    @property
    def caught_up(self) -> bool:
        """Whether what is ours can be answered for: partitions restored, the decider in place or another's."""
        return (self.detecting is None or self.detecting.settled) and (self.alerting is None or self.alerting.settled)

    @property
    def decided(self) -> int:
        """Up to where this process has decided the findings."""
        return self.alerting.decided if self.alerting is not None else 0

    @property
    def alert(self) -> Alerting:
        """What decides here, for the operators' interface of a process that alerts."""
        assert self.alerting is not None
        return self.alerting

    @property
    def problems(self) -> dict[str, str]:
        """The stages that cannot go on, with the reason."""
        found = {
            worker.name: worker.problem or repr(worker.failed)
            for worker in self._workers
            if worker.problem is not None or worker.failed is not None
        }
        for membership in self._memberships:
            if membership.problem is not None:
                found["group"] = str(membership.problem)
        if (refused := self.log.problem) is not None:
            found.setdefault("log", str(refused))
        return found

    def status(self) -> dict[str, Any]:
        """Where every role stands, for people and machines."""
        tasks = dict(self.detecting.tasks) if self.detecting is not None else {}
        return {
            "version": version("tocsin"),
            "roles": sorted(self.roles),
            "log": self.log.address.where,
            "ready": self.caught_up and not self.problems,
            "problems": self.problems,
            "inputs": self.inputs.summary() if self.inputs is not None else {},
            "fingerprints": self.ready_made.enrich.prints.key_id,
            "accepted": self.metrics.total_accepted,
            "findings": self.metrics.total_findings,
            "delivered": self.metrics.total_delivered,
            "partitions": {str(number): task.settled for number, task in sorted(tasks.items())},
            "decides": self.alerting is not None and self.alerting.active,
            "decided": self.decided,
        }

    def start(self) -> None:
        """Tell the log what is known today, and begin."""
        if LISTEN in self.roles:
            self._changed()
            for said in self.ready_made.modes:
                self._tell(said)
        for worker in self._workers:
            worker.start()
        if self._nightly is not None:
            self._nightly.start()
        if self._heartbeat is not None:
            self._heartbeat.start()

    def stop(self) -> None:
        """Hand over what is ours, and give everything back."""
        self._ending.set()
        if self._nightly is not None:
            self._nightly.stop()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        for worker in self._workers:
            worker.stop()
        if self.responding is not None:
            self.responding.end()
        if self.inputs is not None:
            self.inputs.wake()
        joined = [worker.join(DRAIN) for worker in self._workers]
        ended = all(joined) and not self.failed.is_set()
        if ended and self.inputs is not None:
            self.inputs.close()
        if ended and self.detecting is not None:
            self.detecting.stop()
        if ended and self.alerting is not None:
            self.alerting.stop()
        if ended and self.sealers is not None:
            self.sealers.stop()
        self._resources.close()
        logger.info("handed over", extra={"roles": sorted(self.roles)})

    def _joined(self, group: str, topic: str, resources: ExitStack) -> Membership:
        session = int(self.ready_made.config.kafka.session_seconds * 1000)
        membership = Membership(self.log.address, group, topic, session_ms=session)
        resources.callback(membership.close)
        self._memberships.append(membership)
        return membership

    def _fence(self, task: str) -> Any:
        return self._vouch(task) if DETECT in self.roles else None

    def _inputs(self, resources: ExitStack) -> Inputs:
        """The inputs of this process; how far its own files are read stays in its own folder."""
        checkpointer = Checkpointer()
        resources.callback(checkpointer.close)
        state = SqliteState(self.ready_made.data / INPUTS_FILE, checkpointer, self.crypt)
        resources.callback(state.close)
        return Inputs(
            self.ready_made.inputs,
            log=self.spread,
            state=state,
            replay=None,
            observer=self.metrics,
            clock=self.clock,
            worker=self._worker,
            registry=self.metrics.registry,
            enrich=lambda: Enricher(self.ready_made.enrich, lambda: self.directory.directory),
        )

    def _opened(self) -> Store:
        secret = roles_log.entity_key(self.log) if self.crypt is not None else None
        return Store(self.ready_made.database, columns_of(self.crypt, secret))

    def _add(self, name: str, turn: Callable[[], object]) -> None:
        self._workers.append(self._worker(name, turn))

    def _worker(self, name: str, turn: Callable[[], object]) -> Worker:
        return Worker(
            name,
            turn,
            on_failure=lambda: self.on_failure(),
            on_problem=lambda stage, there: self.metrics.problem(stage, there=there),
        )

    def _sealing(self) -> Sealing:
        streams = [*(Stream(EVENTS.name, number) for number in range(self.log.partitions)), FINDINGS]
        changed = self.own_events.changed
        return Sealing(self.ready_made, self.log, streams, self._seals, self.clock, self._ending, changed)

    def _decider(self) -> AlertTask:
        assert self.store is not None
        return AlertTask(
            self.log,
            self.store,
            self.ready_made.policies,
            routes=self.ready_made.routes,
            texts=Messages(self.runbooks),
            observer=self.observers,
            wake=self._wake,
            tasks=tasks_in(self.log.partitions),
        )

    def _wake(self) -> None:
        if self.alerting is not None:
            self.alerting.wake()
        if self.responding is not None:
            self.responding.wake()

    def _following(self, address: Address, resources: ExitStack) -> Callable[[], None]:
        self.denying = Denying(self.log, lambda: self.directory.directory, self.clock)
        where = (address, self.ready_made.data)
        return roles_respond.following(*where, self.denying, self.clock, resources, self.crypt)

    def _responding(self, store: Store) -> Responding:
        return Responding(
            store,
            self.log,
            self.ready_made.policies.containment,
            self.runbooks,
            lambda: Known(self.directory.directory, self.directory.digest),
            self._tell,
            self.clock,
        )

    def _respond(self) -> None:
        """Respond while it is this process that decides."""
        assert self.responding is not None
        if self.alerting is not None and self.alerting.active:
            self.responding.turn()
        else:
            self._ending.wait(roles_respond.WAIT)

    def _pulse(self) -> Pulse | None:
        """What shows that this process decides; None where it stands by."""
        task = self.alerting.task if self.alerting is not None else None
        return Pulse(task.clock, tuple(sorted(self.problems))) if task is not None else None

    def _place(self) -> tuple[int, float]:
        assert self.store is not None
        with self.store.unit() as unit:
            return unit.places.position(FINDINGS)

    def _senders(self) -> list[Delivery]:
        assert self.store is not None
        return [
            Delivery(self.store, plan.name, plan.make(), pager=plan.pager, clock=self.clock, observer=self.observers)
            for plan in self.ready_made.sinks
        ]

    def _each_second(self, turn: Callable[[], None]) -> None:
        if not self._ending.wait(roles_detect.TICK):
            turn()

    def _write(self) -> None:
        """Write a tick where nothing could be written, since nobody sends anything to a listener that is not ready."""
        if self.log.problem is not None:
            tick = Frame(Header(received=self.clock(), content="tick", codec="none"), b"")
            self.spread.append(EVENTS, tick).result()

    def _changed(self) -> None:
        """Say what the directory is: to alerting, which excepts what its grants cover, and to those who detect.

        Alerting comes first, so that no grant that was taken back covers what is found from then on.
        """
        version = DirectoryVersion(self.directory.directory, self.directory.digest)
        self._say(version)
        self._tell(version)

    def _seals_now(self) -> bool:
        return self.sealers is not None and self.sealers.sealing is not None

    def _say(self, record: Control) -> None:
        """Say something where there is one order for all."""
        self.log.append(FINDINGS, control_frame(record, self.clock())).result()

    def _tell(self, record: Control) -> None:
        self.spread.append(EVENTS, control_frame(record, self.clock())).result()
