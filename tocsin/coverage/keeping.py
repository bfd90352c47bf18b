"""Keeping the coverage of a log of several partitions: one process reads them all, and tells the findings what closed.

Whoever is asked follows the findings (`tocsin.coverage.following`), in whichever process that is.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from stream.control import Fact
from stream.coverage import SECONDS, Mode, Watched
from stream.log import EVENTS, FINDINGS, Log, Snapshot, Stream
from tocsin.coverage.counter import Counter, failed_since
from tocsin.coverage.looking import Looking
from tocsin.coverage.merging import Lane, Merging

TASK: Final = "coverage"
VERSION: Final = 1
WAIT: Final = 0.5
"""Seconds that a turn waits for something new."""
HARDLY: Final = 1e-6
"""A wait that only asks for what was fetched already."""
BY: Final = "detect"
"""Under whose name it says what detectors looked at: that of all their processes."""


class Shared(Log, Protocol):
    """A log of several partitions."""

    @property
    def partitions(self) -> int:
        """How many the events have."""
        ...

    def begin(self, stream: Stream) -> int:
        """The offset of the oldest frame that is still there."""
        ...

    def moved(self, since: int, wait: float) -> int:
        """A number that changes when frames arrive; waits up to `wait` seconds until it is not `since`."""
        ...


class Keeper:
    """Counts what the partitions hold, merged by the clock; `turn` is that of one worker.

    What it says is a function of the log alone, so that it goes on from its last snapshot, says again what it had said
    before it died, and nobody counts that twice. `tasks` is how many tasks of detectors tell the findings their clock,
    `detectors` their versions, `modes` what becomes of their findings, `tell` brings a record into the findings.
    """

    def __init__(
        self,
        log: Shared,
        tell: Callable[[Fact], None],
        *,
        tasks: int,
        detectors: Mapping[str, str],
        modes: tuple[Mode, ...] = (),
    ) -> None:
        self.counter: Final = Counter()
        self._log = log
        self._tell = tell
        self._detectors = dict(detectors)
        self._modes = modes
        self._looking: Final = Looking(tasks)
        self._watched: float | None = None
        self._seen = 0
        self._untold: list[Fact] = []
        self._merging = Merging(self._restored())

    @property
    def heard(self) -> int:
        """Up to where the findings are read."""
        return self._looking.position

    def turn(self) -> int:
        """Read what is there; how many frames were counted. Raises StorageError."""
        self._flush()
        for partition in range(self._log.partitions):
            position = self._merging.wants(partition)
            if position is not None:
                self._merging.add(partition, self._log.read(Stream(EVENTS.name, partition), position, wait=HARDLY))
        ready = self._merging.ready()
        for record in ready:
            self._untold += self.counter.take(record).closed
        heard = self._log.read(FINDINGS, self._looking.position, wait=HARDLY)
        self._looking.take(heard)
        said = self._said()
        if said is not None:
            self._untold.append(said)
            self._watched = said.until
        self._flush()
        if not ready and not heard:
            self._seen = self._log.moved(self._seen, WAIT)
        return len(ready)

    def _flush(self) -> None:
        """Say what is to be said, and then only how far it is: whoever goes on from there says no less."""
        if not self._untold:
            return
        while self._untold:
            self._tell(self._untold[0])
            del self._untold[0]
        self._save()

    def _said(self) -> Watched | None:
        """Every five minutes, who looked at what came; None where nothing is to be said yet."""
        clock = min(self._looking.clock, self.counter.fold.clock)
        if self._watched is None and clock and self.counter.fold.began:
            # Where the findings go back to their beginning, every task began with the log.
            began = self._log.begin(FINDINGS) == 0
            self._watched = (
                self.counter.fold.began - self.counter.fold.began % SECONDS if began else self._looking.since
            )
        if self._watched is None or clock - self._watched < SECONDS:
            return None
        failed = failed_since(self._looking.failed, self._watched)
        return Watched(self._watched, clock, self._detectors, failed, by=BY, modes=self._modes)

    def _save(self) -> None:
        whole = self._merging.lanes, self.counter.fold.pack(), self._looking.pack(), self._watched
        self._log.save(Snapshot(TASK, VERSION, 0, msgspec.msgpack.encode(whole), {}))

    def _restored(self) -> list[Lane]:
        lanes = [Lane() for _ in range(self._log.partitions)]
        kept = self._log.load(TASK)
        if kept is None or kept.version != VERSION:
            return lanes
        packed: _Packed = msgspec.msgpack.decode(kept.meta, type=_Packed)
        found, fold, looking, watched = packed
        if len(found) != len(lanes):
            # Keys move with the number of partitions, and so the log is another one.
            return lanes
        self.counter.fold.unpack(fold)
        self._looking.unpack(looking)
        self._watched = watched
        return found


_Packed = tuple[list[Lane], bytes, bytes, float | None]
