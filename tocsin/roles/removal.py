"""Retention, holds and erasure on Kafka: whoever seals does them, since each removal is sealed before it is done."""

from collections.abc import Callable
from threading import Event, Lock
from typing import Final, Protocol

from alerting.database.store import Store
from alerting.erasure import Person
from detectors.engine.forgetting import forgotten
from stream.control import Control
from stream.encryption.crypt import Crypt
from stream.facts import Facts
from stream.kafka import KafkaLog
from stream.log import FINDINGS
from tocsin.directory_watch import DirectoryWatch
from tocsin.proof.sealing import Sealing
from tocsin.removal.erasing import Erasing
from tocsin.removal.kafka_keeping import KafkaKeeping
from tocsin.removal.removing import AtWork, Removing
from tocsin.roles.log import entity_key
from tocsin.roles.seal import Sealers
from tocsin.setup import Ready
from tocsin_audit.event import AuditEvent

WAIT: Final = 1.0
"""Seconds between two looks whether this process seals."""


class Here(Protocol):
    """What of a process is used here."""

    ready_made: Ready
    crypt: Crypt | None
    log: KafkaLog
    directory: DirectoryWatch
    clock: Callable[[], float]


class RemovingThere:
    """What removes in a process with the role `seal`, for as long as it is the one that seals."""

    def __init__(
        self, roles: Here, store: Store, sealers: Sealers, tell: Callable[[Control], object], ending: Event
    ) -> None:
        self._roles = roles
        self._store = store
        self._sealers = sealers
        self._tell = tell
        self._ending = ending
        self._lock = Lock()
        self._facts = Facts()
        self._sealing: Sealing | None = None
        self._work: AtWork | None = None

    def at_work(self) -> AtWork | None:
        """What removes here; None while another process seals."""
        sealing = self._sealers.sealing
        with self._lock:
            if sealing is not self._sealing:
                self._sealing, self._work = sealing, self._made(sealing) if sealing is not None else None
            return self._work

    def turn(self) -> None:
        """One pass of whoever seals: see that holds hold, and remove what is due."""
        work = self.at_work()
        if work is None:
            self._ending.wait(WAIT)
            return
        work.keeping.see_to_holds(self._roles.clock())
        work.removing.turn()

    def _made(self, sealing: Sealing) -> AtWork:
        roles, ready = self._roles, self._roles.ready_made
        keeping = KafkaKeeping(
            roles.log,
            self._store,
            sealing.ledger,
            sealing.note,
            ready.config.retention,
            ready.data,
            decided=self._decided,
            tenant_of=self._tenant_of,
            crypt=roles.crypt,
        )
        erasing = Erasing(keeping, self._forget, lambda: roles.directory.directory)
        return AtWork(keeping, erasing, Removing(keeping, ready.config.retention.hour, roles.clock, self._ending))

    def _forget(self, person: Person) -> int:
        self._tell(forgotten(person.name, person.tenant, entity_key(self._roles.log), self._roles.clock()))
        return 1

    def _decided(self) -> tuple[int, float]:
        with self._store.unit() as unit:
            return unit.places.position(FINDINGS)

    def _tenant_of(self, event: AuditEvent) -> str | None:
        directory = self._roles.directory.directory
        if self._facts.directory is not directory:
            self._facts = Facts(directory)
        return self._facts.tenant(event)
