"""Proof of the ledger itself: signatures over roots, roots over seals, seals over entries, and the first fault."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import msgspec

from stream.errors import UNREADABLE, DamagedError, RejectedError
from stream.ledger.fault import Fault
from stream.ledger.file import START
from stream.ledger.merkle import Frontier, leaf_hash, root
from stream.ledger.note import Checkpoint, Verifier, opened
from stream.ledger.reading import LedgerFile
from stream.ledger.removals import KIND, Removals, removal
from stream.ledger.seal import DECODER, Part
from stream.ledger.sealer import NOTES
from stream.ledger.signing import vouched

Progress = Callable[[Path, int], None]
UNSIGNED: Final = 1
"""Seals that may wait for a signature: a crash can come between a seal and its checkpoint."""


class Proved(NamedTuple):
    """What of a ledger holds: how many seals under which keys, and the parts by partition, in order.

    `unsigned` seals at the end have no checkpoint yet; `roots` are those of the checkpoints, by size.
    """

    origin: str
    seals: int
    checkpoints: int
    unsigned: int
    keys: tuple[Verifier, ...]
    parts: dict[tuple[str, int], list[tuple[int, Part]]]
    removed: Removals
    leaves: list[bytes]
    fault: Fault | None

    def seal_of(self, stream: str, partition: int, offset: int) -> int | None:
        """The seal that has an offset of a partition."""
        parts = self.parts.get((stream, partition), [])
        at = bisect_right(parts, offset, key=lambda item: item[1].first) - 1
        return parts[at][0] if at >= 0 and offset <= parts[at][1].last else None


def prove(
    ledger: LedgerFile,
    trusted: Sequence[Verifier],
    anchored: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> Proved:
    """Work the ledger out again, up to its first fault; `anchored` are checkpoints that were kept elsewhere."""
    return _Proof(ledger, trusted, progress).run(anchored)


class _FaultError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


class _Proof:
    def __init__(self, ledger: LedgerFile, trusted: Sequence[Verifier], progress: Progress | None) -> None:
        self._ledger = ledger
        self._keys = list(trusted)
        self._progress = progress
        self._parts: dict[tuple[str, int], list[tuple[int, Part]]] = {}
        self._leaves: list[bytes] = []
        self._named: dict[int, int] = {}
        self._signed = self._checked = 0
        self._removed = Removals()

    def run(self, anchored: Sequence[str]) -> Proved:
        fault = None
        try:
            self._keys = vouched(self._ledger.endorsements(), self._keys)
            self._seals()
            self._checkpoints()
            self._anchors(anchored)
            self._entries()
            self._notes()
        except _FaultError as error:
            fault = error.fault
        except DamagedError as error:
            fault = Fault(self._ledger.path, len(self._leaves), error.what)
        return Proved(
            self._ledger.origin,
            len(self._leaves),
            self._checked,
            max(len(self._leaves) - self._signed, 0),
            tuple(self._keys),
            self._parts,
            self._removed,
            self._leaves,
            fault,
        )

    def _seals(self) -> None:
        previous = START
        ends: dict[tuple[str, int], int] = {}
        for number, body in self._ledger.seals():
            at = len(self._leaves)
            if number != at:
                self._fail(at, f"seal {at} is missing; the next one there is {number}")
            try:
                seal = DECODER.decode(body)
            except UNREADABLE as error:
                self._fail(at, f"seal {at} cannot be read ({error})")
            if seal.number != at:
                self._fail(at, f"seal {at} says that it is seal {seal.number}")
            if seal.previous != previous.hex():
                self._fail(max(at - 1, 0), f"seal {max(at - 1, 0)} was changed, or what seal {at} says of it")
            for part in seal.parts:
                place = (part.stream, part.partition)
                if part.first < ends.get(place, 0) or part.last < part.first:
                    self._fail(at, f"seal {at} has frames of {part.stream}/{part.partition} that others have too")
                ends[place] = part.last + 1
                self._parts.setdefault(place, []).append((at, part))
            if seal.checkpoint:
                self._named.setdefault(seal.checkpoint, at)
            previous = leaf_hash(body)
            self._leaves.append(previous)

    def _checkpoints(self) -> None:
        """Every checkpoint is signed, and its root is that of the seals; the first that is not tells where."""
        stored = dict(self._ledger.checkpoints())
        for size, number in self._named.items():
            if size not in stored:
                self._fail(number, f"the checkpoint of {size} seals, which seal {number} names, is missing")
        tree, good = Frontier(), 0
        for size, note in stored.items():
            checkpoint = self._opened(note, f"the checkpoint of {size} seals")
            if checkpoint.size != size:
                self._fail(size, f"the checkpoint of {size} seals says that it has {checkpoint.size}")
            if size > len(self._leaves):
                self._fail(
                    len(self._leaves),
                    f"a checkpoint of {size} seals is signed, but there are {len(self._leaves)}: the end was cut off",
                )
            while tree.size < size:
                tree.append(self._leaves[tree.size])
            if tree.root() != checkpoint.root:
                self._fail(good, f"seals {good} to {size - 1} are not those that were signed")
            good = self._signed = size
            self._checked += 1
            self._tell(size)
        if len(self._leaves) - good > UNSIGNED:
            self._fail(good, f"seals {good} to {len(self._leaves) - 1} are not signed")

    def _anchors(self, anchored: Sequence[str]) -> None:
        given = [self._opened(note, "the checkpoint given") for note in anchored]
        found = sorted({(checkpoint.size, checkpoint.root) for checkpoint in given})
        tree, good = Frontier(), 0
        for size, expected in found:
            if size > len(self._leaves):
                self._fail(
                    len(self._leaves),
                    f"a checkpoint of {size} seals was anchored, but there are {len(self._leaves)}: the end was cut "
                    "off, or an older copy was put in its place",
                )
            while tree.size < size:
                tree.append(self._leaves[tree.size])
            if tree.root() != expected:
                self._fail(good, f"seals {good} to {size - 1} are not those whose checkpoint was anchored")
            good = size

    def _opened(self, note: str, which: str) -> Checkpoint:
        try:
            checkpoint = Checkpoint.parse(opened(note, self._keys).text)
        except RejectedError as error:
            self._fail(self._signed, f"{which} cannot be believed: {error.what}")
        if checkpoint.origin != self._ledger.origin:
            self._fail(self._signed, f"{which} is of another ledger ({checkpoint.origin!r})")
        return checkpoint

    def _entries(self) -> None:
        """The entries are those that the seals have; which of them is not, only their frames can tell."""
        count = self._ledger.count()
        for (stream, partition), parts in self._parts.items():
            entries = self._ledger.entries(stream, partition)
            for number, part in parts:
                own = []
                for _ in range(part.frames):
                    if (entry := next(entries, None)) is None:
                        break
                    own.append(entry)
                where = f"{stream}/{partition} {part.first} to {part.last}"
                if not own or (own[0].offset, own[-1].offset, len(own)) != (part.first, part.last, part.frames):
                    self._fail(number, f"the entries of {where} are not as many as seal {number} has")
                if root([entry.leaf for entry in own]).hex() != part.root:
                    self._fail(number, f"the entries of {where} are not those of seal {number}")
                if sha256(b"".join([entry.hints for entry in own])).hexdigest() != part.hints:
                    self._fail(number, f"the hints of {where} are not those of seal {number}")
            if count.pop((stream, partition)) != sum(part.frames for _, part in parts):
                self._fail(len(self._leaves), f"there are entries of {stream}/{partition} that no seal has")
            self._tell(len(self._leaves))
        if count:
            self._fail(len(self._leaves), f"there are entries of {sorted(count)[0][0]} that no seal has")

    def _notes(self) -> None:
        """What sealed notes say was removed; that the notes are those of the entries is seen like that of any row."""
        parts = self._parts.get((NOTES, 0), [])
        last = parts[-1][1].last if parts else -1
        self._removed = Removals(
            (number, removal(number, body))
            for number, body in self._ledger.notes()
            if number <= last and _kind(body) == KIND
        )

    def _tell(self, count: int) -> None:
        if self._progress is not None:
            self._progress(self._ledger.path, count)

    def _fail(self, number: int, what: str) -> NoReturn:
        raise _FaultError(Fault(self._ledger.path, number, what))


class _Note(msgspec.Struct):
    kind: str = ""


def _kind(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Note).kind
    except UNREADABLE:
        return ""
