"""The sealer: reads every stream behind everybody else, and writes a seal and a signed checkpoint every ten seconds."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

import msgspec

from stream.crashpoints import crash_point
from stream.errors import StorageError
from stream.ledger.file import Ledger
from stream.ledger.merkle import root
from stream.ledger.note import Checkpoint, Signer, signed
from stream.ledger.seal import ENCODER, Entry, Part, Seal, frame_entry, row_entry
from stream.log import Log, Snapshot, Stream
from stream.salt import fresh_salt
from tocsin_audit.event import rfc3339

INTERVAL: Final = 10.0
"""Seconds between two seals."""
NOTES: Final = "notes"
TASK: Final = "ledger"
"""The snapshot that says how far the ledger was when it was last seen."""
BATCH: Final = 64
MOST: Final = 20_000
"""Frames of one seal at most, so that a long history is sealed in pieces."""


class Found(NamedTuple):
    """What a source has next: an entry, and its salt where the ledger must keep it."""

    entry: Entry
    salt: bytes | None = None


class Source(Protocol):
    """A stream that is sealed; `partition` is its own."""

    name: str
    partition: int

    def since(self, position: int, limit: int) -> Sequence[Found]:
        """What is durable from a position on, in order, at most `limit`. Raises StorageError."""
        ...


class FrameSource:
    """A partition of the log."""

    def __init__(self, log: Log, stream: Stream) -> None:
        self.name, self.partition = stream
        self._log = log
        self._stream = stream

    def since(self, position: int, limit: int) -> list[Found]:
        """The entries of frames from a position on."""
        records = self._log.read(self._stream, position, limit=limit)
        return [Found(frame_entry(self.name, self.partition, offset, frame)) for offset, frame in records]


class RowSource:
    """Rows that stand elsewhere: `read` gives number and bytes of those from a number on, in order."""

    partition = 0

    def __init__(self, name: str, read: Callable[[int, int], Sequence[tuple[int, bytes]]]) -> None:
        self.name = name
        self._read = read

    def since(self, position: int, limit: int) -> list[Found]:
        """The entries of rows from a number on, each with a new salt."""
        found = []
        for number, row in self._read(position, limit):
            salt = fresh_salt()
            found.append(Found(row_entry(self.name, number, row, salt), salt))
        return found


class _Seen(msgspec.Struct, frozen=True):
    origin: str
    size: int
    root: bytes


class Sealer:
    """One serial sealer over a log and whatever else is sealed.

    `signers` gives the keys that sign from now on, the first of them the log's own; `clock` is the wall clock that is
    written into seals. Raises StorageError where the ledger is not the one that was last seen beside this log.
    """

    def __init__(
        self,
        ledger: Ledger,
        log: Log,
        sources: Sequence[Source],
        signers: Callable[[], Sequence[Signer]],
        clock: Callable[[], float],
        *,
        interval: float = INTERVAL,
    ) -> None:
        self.ledger = ledger
        self._log = log
        self._sources = [*sources, RowSource(NOTES, ledger.notes)]
        self._signers = signers
        self._clock = clock
        self._interval = interval
        self._begun = clock() - interval
        self._gathered: dict[tuple[str, int], list[Found]] = {}
        self._count = 0
        self._compare()

    @property
    def pending(self) -> int:
        """Frames that were read and wait for the next seal."""
        return self._count

    def advance(self) -> bool:
        """One pass: read what is new, and seal when it is time; whether there was anything to do."""
        read = self._gather()
        if self._count and (self._count >= MOST or not 0 <= self._clock() - self._begun < self._interval):
            self.seal()
            return True
        self._sign()
        return read > 0

    def finish(self) -> None:
        """Seal everything that is there."""
        while self._gather():
            if self._count >= MOST:
                self.seal()
        self.seal()

    def note(self, kind: str, **body: object) -> int:
        """Write something down, and seal it at once: after this it can no longer be denied. The note's number."""
        record = {"kind": kind, "time": rfc3339(self._clock()), **body}
        number = self.ledger.note(msgspec.json.encode(record))
        self._gather()
        self.seal()
        return number

    def seal(self) -> None:
        """Seal what was read, if anything, and sign the ledger as it then is."""
        self._begun = self._clock()
        if self._count:
            gathered, self._gathered, self._count = self._gathered, {}, 0
            found = [item for items in gathered.values() for item in items]
            body = Seal(
                self.ledger.size,
                rfc3339(self._clock()),
                self.ledger.head.hex(),
                self.ledger.kept(),
                tuple(_part([item.entry for item in items]) for _, items in sorted(gathered.items())),
            )
            salts = {(item.entry.stream, item.entry.offset): item.salt for item in found if item.salt is not None}
            crash_point("ledger.before_seal")
            self.ledger.add(ENCODER.encode(body), [item.entry for item in found], salts)
            crash_point("ledger.after_seal")
        self._sign()

    def _gather(self) -> int:
        """Read what is new; how much."""
        read = 0
        for source in self._sources:
            place = (source.name, source.partition)
            items = self._gathered.get(place)
            position = items[-1].entry.offset + 1 if items else self.ledger.next(*place)
            if new := source.since(position, BATCH):
                self._gathered.setdefault(place, []).extend(new)
                read += len(new)
        self._count += read
        return read

    def _sign(self) -> None:
        """Sign the ledger as it is, unless that was done: also after a crash between seal and checkpoint."""
        last = self.ledger.checkpoint()
        if not self.ledger.size or (last is not None and last[0] == self.ledger.size):
            return
        checkpoint = Checkpoint(self.ledger.origin, self.ledger.size, self.ledger.root)
        note = signed(str(checkpoint), self._signers())
        self.ledger.put_checkpoint(self.ledger.size, note)
        crash_point("ledger.after_checkpoint")
        seen = _Seen(self.ledger.origin, checkpoint.size, checkpoint.root)
        self._log.save(Snapshot(TASK, 1, 0, msgspec.json.encode(seen), {}))

    def _compare(self) -> None:
        """See that the ledger was not lost or put back: signing a second history would destroy what it proves."""
        snapshot = self._log.load(TASK)
        if snapshot is None:
            return
        seen = msgspec.json.decode(snapshot.meta, type=_Seen)
        if seen.origin != self.ledger.origin:
            return
        if seen.size > self.ledger.size or self.ledger.root_at(seen.size) != seen.root:
            raise StorageError(
                f"is not the ledger that was last seen here: that had {seen.size} seals, this has {self.ledger.size}",
                where=str(self.ledger.path),
                hint="put it back from a backup; to begin a new ledger move it and its signing key away together",
            )


def _part(entries: Sequence[Entry]) -> Part:
    first, last = entries[0], entries[-1]
    return Part(
        first.stream,
        first.partition,
        first.offset,
        last.offset,
        len(entries),
        sum(entry.lines for entry in entries),
        root([entry.leaf for entry in entries]).hex(),
        sha256(b"".join(entry.hints for entry in entries)).hexdigest(),
    )
