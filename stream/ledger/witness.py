"""Holds every frame and row against its sealed entry: what was changed, taken away or put in, and in which line."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.errors import UNREADABLE, DamagedError
from stream.frame import HEADER_DECODER, Frame, Header
from stream.ledger.fault import Fault
from stream.ledger.reading import LedgerFile, Stored
from stream.ledger.seal import HINT, Entry, event_leaves, events_hash, frame_lines, hints_of, row_entry
from stream.ledger.verify import Proved
from stream.rewrite import gone as removed_lines
from stream.rewrite import rest
from stream.tombstone import tombstone

Rows = Callable[[int, int], Iterable[tuple[int, bytes]]]
"""Number and bytes of at most so many rows from a number on, in order."""
BATCH: Final = 1000


class Account(NamedTuple):
    """What became of one partition: how many of its frames or rows the seals hold, and how many none has yet.

    `gone` were taken away as sealed notes say, and of `removed` the payload or some lines.
    """

    stream: str
    partition: int
    sealed: int
    unsealed: int
    gone: int
    removed: int
    fault: Fault | None


class Witness:
    """Goes along one partition's frames beside its entries; `file` is where missing ones should stand.

    What stands before offset `begin` has been taken away by a log that does so by itself.
    """

    def __init__(
        self, ledger: LedgerFile, proved: Proved, stream: str, partition: int, file: Path, *, begin: int = 0
    ) -> None:
        self.stream = stream
        self.partition = partition
        self.sealed = self.unsealed = self.gone = self.removed = 0
        self._proved = proved
        self._file = file
        self._begin = begin
        self._ledger_path = ledger.path
        self._entries: Iterator[Stored] = ledger.entries(stream, partition)
        self._next = next(self._entries, None)

    def frame(
        self, file: Path, offset: int, header: bytes, digest: bytes, payload: bytes | None, gone: str | None = None
    ) -> Fault | None:
        """Hold a frame against its entry: its encoded header, the digest of the payload that it had, what is there.

        `gone` is what stands in its row about the payload, or lines of it, that were removed.
        """
        self._file = file
        fault, entry = self._at(offset)
        if fault is not None or entry is None:
            return fault
        found = Entry(
            self.stream, self.partition, offset, entry.lines, sha256(header).digest(), digest, entry.events, entry.hints
        )
        if found.leaf != entry.leaf:
            return self._differs(found, entry, header, None if gone is not None else payload)
        removed = self._proved.removed
        if payload is None and not removed.gone("payloads", self.stream, self.partition, offset, offset + 1):
            return Fault(file, offset, "the payload was taken away, and no sealed note says so")
        if gone is not None and (what := _unsaid(self._proved, gone)) is not None:
            return Fault(file, offset, what)
        if payload is not None and gone is not None:
            what, line = _rewritten(self._proved, self.stream, self.partition, entry, header, payload, gone)
            if what is not None:
                return Fault(file, offset, what, line)
        self.removed += gone is not None
        self._pass()
        return None

    def away(self, begin: int, end: int) -> bool:
        """Whether sealed notes say that all frames from an offset to before another were taken away."""
        return self._proved.removed.gone("frames", self.stream, self.partition, begin, end)

    def row(self, file: Path, number: int, row: bytes) -> Fault | None:
        """Hold a row against its entry."""
        self._file = file
        fault, entry = self._at(number)
        if fault is not None or entry is None:
            return fault
        if self.away(number, number + 1) and _blank(number, row):
            # The newest row of a table keeps its number, so that no other gets it.
            self.gone += 1
            self._next = next(self._entries, None)
            return None
        if row_entry(self.stream, number, row, entry.salt or b"").leaf != entry.leaf:
            return Fault(file, number, f"the row of {self.stream} is not the one that was sealed{self._seal(number)}")
        self._pass()
        return None

    def line(self, offset: int, header: bytes, payload: bytes | None) -> int | None:
        """Which line of a frame that was changed is not the one that was sealed, from 1 on."""
        entry = self._next if self._next is not None and self._next.offset == offset else None
        return None if entry is None or payload is None else _line(entry, header, payload)

    def stopped(self, fault: Fault | None) -> Account:
        """What became of the partition up to a fault."""
        return Account(self.stream, self.partition, self.sealed, self.unsealed, self.gone, self.removed, fault)

    def end(self) -> Account:
        """What became of the partition, once everything there was seen."""
        fault = None
        while fault is None and self._next is not None:
            fault = self._missing()
        return Account(self.stream, self.partition, self.sealed, self.unsealed, self.gone, self.removed, fault)

    def _pass(self) -> None:
        self.sealed += 1
        self._next = next(self._entries, None)

    def _at(self, offset: int) -> tuple[Fault | None, Stored | None]:
        while self._next is not None and self._next.offset < offset:
            if (fault := self._missing()) is not None:
                return fault, None
        entry = self._next
        if entry is None:
            self.unsealed += 1
            return None, None
        if entry.offset > offset:
            what = f"no seal has it, though what follows is sealed: it was put into {self.stream} afterwards"
            return Fault(self._file, offset, what), None
        return None, entry

    def _missing(self) -> Fault | None:
        entry = self._next
        assert entry is not None
        kept = entry.offset >= self._begin
        if kept and not self.away(entry.offset, entry.offset + 1):
            what = f"what was sealed as {self.stream}/{self.partition} is missing{self._seal(entry.offset)}"
            return Fault(self._file, entry.offset, what)
        self.gone += 1
        self._next = next(self._entries, None)
        return None

    def _differs(self, found: Entry, entry: Stored, header: bytes, payload: bytes | None) -> Fault:
        if payload is not None and (inside := _leaves(header, payload)) is not None:
            lines, leaves = inside
            again = found._replace(lines=len(lines), events=events_hash(leaves))
            if again.leaf == entry.leaf:
                number = self._proved.seal_of(self.stream, self.partition, found.offset) or 0
                what = f"what the ledger keeps of {self.stream}/{self.partition} at {found.offset} was changed"
                return Fault(self._ledger_path, number, what)
        what = f"the frame is not the one that was sealed{self._seal(found.offset)}"
        line = None if payload is None else _line(entry, header, payload)
        return Fault(self._file, found.offset, what, line)

    def _seal(self, offset: int) -> str:
        number = self._proved.seal_of(self.stream, self.partition, offset)
        return "" if number is None else f" in seal {number}"


def check_rows(ledger: LedgerFile, proved: Proved, stream: str, file: Path, rows: Rows) -> Account:
    """Hold all rows of a table against their entries."""
    witness = Witness(ledger, proved, stream, 0, file)
    position = 0
    while batch := list(rows(position, BATCH)):
        for number, row in batch:
            if (fault := witness.row(file, number, row)) is not None:
                return witness.stopped(fault)
            position = number + 1
    return witness.end()


def _blank(number: int, row: bytes) -> bool:
    """Whether a row holds nothing but its number."""
    try:
        said = msgspec.json.decode(row)
    except UNREADABLE:
        return False
    return isinstance(said, list) and said[:1] == [number] and all(value in ("", 0, None) for value in said[1:])


def _unsaid(proved: Proved, gone: str) -> str | None:
    """What is wrong with a tombstone: the sealed note that it names must give the same reason."""
    try:
        stone = tombstone(gone)
    except DamagedError as error:
        return error.what
    note = proved.removed.notes.get(stone.note)
    if note is None or note.why != stone.why:
        return f"what is said about the removal is not what note {stone.note} says"
    return None


def _rewritten(
    proved: Proved, stream: str, partition: int, entry: Stored, header: bytes, payload: bytes, gone: str
) -> tuple[str | None, int | None]:
    """What is wrong with a frame that lost lines, and in which line: a note must say which, and the others fit."""
    try:
        stone = tombstone(gone)
        left = proved.removed.left(stream, partition, entry.offset, stone.note)
        if left is None:
            return "lines were taken out, and no sealed note says so", None
        if left != (stone.lines, sha256(payload).hexdigest()):
            return f"what is left is not what the note {stone.note} says is left", None
        decoded = HEADER_DECODER.decode(header)
        if decoded.key_id is not None:
            # Verifying has no data key; the note has the digest of what is stored.
            return None, None
        lines = rest(payload)
    except DamagedError as error:
        return error.what, None
    leaves = [line.hash for line in lines]
    if removed_lines(lines).hex() == left.lines and events_hash(leaves) == entry.events:
        return None, None
    hints = hints_of(leaves)
    at = next((at for at in range(0, len(hints), HINT) if hints[at : at + HINT] != entry.hints[at : at + HINT]), None)
    return "what is left of the frame is not what was sealed", None if at is None else at // HINT + 1


def _line(entry: Stored, header: bytes, payload: bytes) -> int | None:
    inside = _leaves(header, payload)
    if inside is None:
        return None
    hints = hints_of(inside[1])
    for at in range(0, max(len(hints), len(entry.hints)), HINT):
        if hints[at : at + HINT] != entry.hints[at : at + HINT]:
            return at // HINT + 1
    return None


def _leaves(header: bytes, payload: bytes) -> tuple[Sequence[bytes], list[bytes]] | None:
    """The lines of a frame and their hashes; None where it is encrypted, since verifying has no data key."""
    try:
        decoded = HEADER_DECODER.decode(header)
    except UNREADABLE:
        decoded = Header(received=0.0)
    if decoded.key_id is not None:
        return None
    lines, salt = frame_lines(Frame(decoded, payload))
    return lines, event_leaves(lines, salt)
