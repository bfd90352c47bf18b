"""Coverage on Kafka: whoever seals counts, whoever listens says what it refused, whoever alerts answers."""

import secrets
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from stream.broker.address import Address
from stream.control import Fact
from stream.encryption.crypt import Crypt
from stream.kafka import KafkaLog
from tocsin.coverage.counter import Counter
from tocsin.coverage.following import Following
from tocsin.coverage.keeping import Keeper
from tocsin.coverage.modes import modes_in
from tocsin.coverage.refusals import Refusing
from tocsin.coverage.store import FILE, CoverageStore
from tocsin.roles.tasks import tasks_in
from tocsin.setup import Ready
from tocsin.upkeep.metrics import Metrics

WAIT: Final = 0.25


class Counting:
    """Counts while `active` says that it is this process's turn; `turn` is that of one worker.

    It goes on from the last snapshot of whoever counted before, with a reader of its own, since it may be behind.
    """

    def __init__(
        self,
        address: Address,
        ready: Ready,
        crypt: Crypt | None,
        tell: Callable[[Fact], None],
        active: Callable[[], bool],
        resources: ExitStack,
    ) -> None:
        self.keeper: Keeper | None = None
        self._log = resources.enter_context(KafkaLog(address, bury=True, crypt=crypt))
        self._tell = tell
        self._active = active
        self._detectors = {one.spec.name: one.spec.version for one in ready.detectors}
        self._modes = modes_in((one.spec for one in ready.detectors), ready.modes)
        self._idle = threading.Event()

    def turn(self) -> None:
        """One pass. Raises StorageError."""
        if not self._active():
            self.keeper = None
            self._idle.wait(WAIT)
            return
        if self.keeper is None:
            tasks = tasks_in(self._log.partitions)
            self.keeper = Keeper(self._log, self._tell, tasks=tasks, detectors=self._detectors, modes=self._modes)
        self.keeper.turn()

    def counter(self) -> Counter | None:
        """What counts here; None while another process does."""
        keeper = self.keeper
        return keeper.counter if keeper is not None else None


def following(address: Address, ready: Ready, crypt: Crypt | None, resources: ExitStack) -> Following:
    """What answers: it follows the findings with a reader of its own."""
    log = resources.enter_context(KafkaLog(address, bury=True, crypt=crypt))
    store = CoverageStore(ready.data / FILE, crypt, ready.config.retention.coverage)
    made = Following(log, store)
    resources.callback(made.close)
    return made


def refusing(
    metrics: Metrics, tell: Callable[[Fact], None], clock: Callable[[], float], ending: threading.Event
) -> Refusing:
    """What a listener says of what it refused."""
    return Refusing(metrics.refused, tell, secrets.token_hex(8), clock, ending.wait)
