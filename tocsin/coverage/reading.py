"""Keeping coverage: reads the log behind everybody else, and writes down what closed stretches come to."""

from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol

from stream.control import Fact
from stream.coverage import SECONDS, Covered, Mode, Watched
from stream.directory import Directory
from stream.errors import StorageError
from stream.facts import Facts
from stream.log import EVENTS, Log, Stream
from tocsin.coverage.answer import Ask, answer, around
from tocsin.coverage.counter import Counter, failed_since
from tocsin.coverage.refusals import Refusals, Refused
from tocsin.coverage.store import CoverageStore, Kept

WAIT: Final = 0.5
"""Seconds that a turn waits for something new."""
FRAMES: Final = 64
SAVE: Final = 2_048
"""Frames after which the place is kept though nothing closed."""


class Ended(Log, Protocol):
    """A log that says where it ends."""

    def end(self, stream: Stream) -> int:
        """The offset that the next durable frame of a stream will have."""
        ...


class Looked(NamedTuple):
    """How far the detectors are: the clock up to which they folded everything, and who they are by version.

    `modes` are what becomes of their findings.
    """

    clock: float
    detectors: dict[str, str]
    modes: tuple[Mode, ...] = ()


class Covering:
    """Keeps the coverage records of a log; `turn` is that of one worker.

    `tell` brings a record into the log. `looked` says how far detection is, `failed` which detectors failed on
    something and when, `refused` what was refused so far.
    """

    def __init__(
        self,
        log: Ended,
        store: CoverageStore,
        tell: Callable[[Fact], None],
        looked: Callable[[], Looked],
        failed: Callable[[], dict[str, float]],
        refused: Callable[[], Refused],
    ) -> None:
        self.counter = Counter()
        self._log = log
        self._tell = tell
        self._looked = looked
        self._failed = failed
        self._refusals = Refusals(refused)
        self._store = store
        self._target = log.end(EVENTS)
        self._unsaved = 0
        self.position = self._resume()
        self._watched = self._store.last_watched()

    @property
    def known(self) -> float:
        """Up to when everything was counted that did not come late, on the log's clock."""
        return self.counter.fold.known

    @property
    def caught_up(self) -> bool:
        """Whether it is past everything that was in the log when it began."""
        return self.position >= self._target

    def turn(self) -> None:
        """Read what is there. Raises StorageError."""
        records = self._log.read(EVENTS, self.position, limit=FRAMES, wait=WAIT)
        made: list[Covered] = []
        seen: list[Covered | Watched] = []
        for record in records:
            counted = self.counter.take(record)
            made += counted.closed
            seen += [fact for fact in counted.facts if isinstance(fact, Covered | Watched)]
            self.position = record.offset + 1
        self._unsaved += len(records)
        if made or seen or self._unsaved >= SAVE:
            self._store.put(made, seen, Kept(self.position, self.counter.fold.pack()))
            self._unsaved = 0
        if self.caught_up:
            self._write_down()
            self._watch()

    def answer(self, ask: Ask, directory: Directory) -> dict[str, Any]:
        """What is known of a stretch of time, up to this moment; from any thread. Raises StorageError."""
        present = self.counter.present()
        kept = chain(self._store.covered(*around(ask)), [present.covered])
        said = list(self._store.watched(ask.since, ask.until))
        now = self._said()
        if now is not None and now.since < ask.until:
            said.append(now)
        return answer(kept, said, ask._replace(known=present.known, began=present.began), Facts(directory))

    def close(self) -> None:
        """Say what was refused since it was last said, keep the place, and close the file."""
        said = self._said() if self.caught_up else None
        if said is not None and said.refused and said.until > said.since:
            with suppress(StorageError):  # a log that cannot be written to any more must not keep the file open
                self._tell(said)
        self._store.put((), (), Kept(self.position, self.counter.fold.pack()))
        self._store.close()

    def _write_down(self) -> None:
        """Bring into the log what it does not hold yet; after a crash between the two it holds it twice, unharmed."""
        while untold := self._store.untold():
            for record in untold:
                self._tell(record)
            self._store.told([record.cell for record in untold])

    def _watch(self) -> None:
        """Every five minutes of the log's clock, say who looked at what came."""
        said = self._said()
        if said is None or said.until - said.since < SECONDS:
            return
        self._tell(said)
        self._store.put((), (said,), Kept(self.position, self.counter.fold.pack()))
        self._watched = said.until
        self._refusals.told(Refused(said.refused, said.sources))

    def _said(self) -> Watched | None:
        """What can be said since this was last written down; None where detection is not as far yet."""
        looked = self._looked()
        if self._watched is None and looked.clock:
            # Where the log began with this process, its detectors looked at all of it.
            self._watched = self.counter.fold.began if not self._target and self.counter.fold.began else looked.clock
        if self._watched is None or looked.clock < self._watched:
            return None
        since = self._watched
        failed = failed_since(self._failed(), since)
        new = self._refusals.new()
        return Watched(
            since, looked.clock, looked.detectors, failed, new.reasons, sources=new.sources, modes=looked.modes
        )

    def _resume(self) -> int:
        kept = self._store.resume(self._target)
        if kept is None:
            return 0
        self.counter.fold.unpack(kept.open)
        return kept.position
