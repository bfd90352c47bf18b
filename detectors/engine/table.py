"""The entities of one kind: one look-up serves all detectors; the busy are objects, the quiet are packed bytes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from detectors.base import AnyDetector, Detector, Kind
from detectors.engine.compression import Compression
from detectors.engine.copies import Copies
from detectors.engine.live import Live, Quiet, packed_quiet, says_nothing, trimmed, unpacked
from detectors.engine.seats import BUSY_MINUTES, Seats
from detectors.engine.shelf import Shelf
from detectors.engine.state import Codec
from detectors.keys import Raw, digest, entity_of
from stream.facts import Facts

BUCKET_BITS: Final = 12
BUCKET_SHIFT: Final = 64 - BUCKET_BITS
BUCKETS: Final = 1 << BUCKET_BITS
"""Entities lie in 4,096 buckets by the first bits of their ids."""
HOUR: Final = 3_600
STUB_MINUTES: Final = 60
"""Minutes without an event after which an entity is forgotten of which there is nothing to remember."""
REST_MINUTES: Final = (3 * 60 + 5, 27 * 60, 51 * 60, 8 * 1_440 + 180)
"""Minutes without an event after which no minute, hour, hour of the day that followed, and no day is held open."""


class Bucket:
    """The entities whose ids begin with the same bits; what `idle` has of one that is live is out of date."""

    __slots__ = ("idle", "live")

    def __init__(self, compression: Compression) -> None:
        self.live: dict[int, Live] = {}
        self.idle = Shelf(compression)

    def quiet(self) -> Iterator[tuple[int, bytes]]:
        """The ids of those that are packed, with their bytes, as they are now whatever happens meanwhile."""
        live = self.live
        return ((identity, packed) for identity, packed in self.idle.items() if identity not in live)


class Table:
    """The keyed state of one kind.

    `live` finds a busy entity by its raw key. Whether an entity is live or packed never changes what is found, only how
    fast; `live_limit` bounds the objects. `touched` are live entities changed since the last snapshot and `changed` the
    ids whose packed bytes did; `copies` are what a snapshot that is being made gets of the live.
    """

    def __init__(
        self, kind: Kind, rank: int, detectors: Sequence[AnyDetector], facts: Facts, *, secret: bytes, live_limit: int
    ) -> None:
        self.kind = kind
        self.rank = rank
        self.detectors = list(detectors)
        self.facts = facts
        self.live: dict[Raw, Live] = {}
        self.buckets: dict[int, Bucket] = {}
        self.count = 0
        self.touched: dict[int, Live] = {}
        self.changed: set[int] = set()
        self._compression = Compression()
        self.whole = self._compression.whole
        self.copies = Copies(self.pack)
        self._secret = secret
        self.live_limit = live_limit
        self._seats = Seats(self.live, live_limit)
        self.quiet: list[Live] = []
        starts = [detector.start(kind) for detector in self.detectors]
        self._codecs: list[Codec[Any]] = [Codec(type(start)) for start in starts]
        self._fresh = [codec.pack(start) for codec, start in zip(self._codecs, starts, strict=True)]
        self.tells = tuple(
            kind != "principal" and type(detector).summary is not Detector.summary for detector in self.detectors
        )
        self.wakes = any(type(detector).wake is not Detector.wake for detector in self.detectors)
        self.volume = _bits("volume" in detector.spec.warm_up.values() for detector in self.detectors)
        lengths = {length for detector in self.detectors for length in detector.spec.cells_of(kind)}
        self.lengths = tuple(sorted(lengths | ({HOUR} if self.volume else set())))
        self.masks = tuple(
            _bits(length in detector.spec.cells_of(kind) for detector in self.detectors)
            | (self.volume if length == HOUR else 0)
            for length in self.lengths
        )
        self.settlers = tuple(
            tuple((i, one) for i, one in enumerate(self.detectors) if length in one.spec.cells_of(kind))
            for length in self.lengths
        )
        for length in self.lengths:
            if length <= 0 or length % 60:
                raise ValueError(f"a cell of {length} seconds is not whole minutes long")
        self.nested = all(long % short == 0 for short, long in zip(self.lengths, self.lengths[1:], strict=False))

    def find(self, raw: Raw, clock: float) -> tuple[int, Live | None]:
        """The id of a raw key, and its entity if it is known, now among the live."""
        identity = digest(self.kind, raw, self._secret)
        bucket = self.buckets.get(identity >> BUCKET_SHIFT)
        if bucket is None:
            return identity, None
        live = bucket.live.get(identity)
        if live is None and (packed := bucket.idle.get(identity)) is not None:
            live = self._wake(raw, identity, unpacked(packed))
            self._seat(bucket, live, clock)
        return identity, live

    def add(self, raw: Raw, identity: int, clock: float) -> Live:
        """A new entity."""
        live = Live(raw, identity, entity_of(self.kind, raw, self.facts), [None] * len(self.detectors))
        self.count += 1
        number = identity >> BUCKET_SHIFT
        bucket = self.buckets.get(number)
        if bucket is None:
            bucket = self.buckets[number] = Bucket(self._compression)
        self._seat(bucket, live, clock)
        return live

    def forget(self, identity: int, clock: float) -> None:
        """Drop an entity with all that its detectors learned, where it is known."""
        bucket = self.buckets.get(identity >> BUCKET_SHIFT)
        if bucket is None:
            return
        if (live := bucket.live.get(identity)) is not None:
            self._put_away(live, clock)
        if bucket.idle.drop(identity):
            self.count -= 1
            self.changed.add(identity)

    def state(self, live: Live, index: int) -> Any:
        """The state of one detector, unpacked or started."""
        held = live.states[index]
        if held is None:
            held = live.states[index] = self.detectors[index].start(self.kind)
        elif type(held) is bytes:
            held = live.states[index] = self._codecs[index].unpack(held)
        return held

    def make_ready(self, live: Live, bits: int) -> None:
        """See to it that these detectors' states can be stepped."""
        states = live.states
        for index in range(len(states)):
            if bits >> index & 1:
                held = states[index]
                if held is None or type(held) is bytes:
                    self.state(live, index)

    def borrow(self, identity: int) -> Live | None:
        """An entity with cells to settle by its id, without a seat among the live; None if it is not known."""
        bucket = self.buckets.get(identity >> BUCKET_SHIFT)
        if bucket is None:
            return None
        live = bucket.live.get(identity)
        if live is not None or (packed := bucket.idle.get(identity)) is None:
            return live
        quiet = unpacked(packed)
        return self._wake(quiet.raw, identity, quiet) if quiet.raw is not None else None

    def give_back(self, live: Live, clock: float) -> None:
        """Keep what was done to a borrowed entity."""
        bucket = self.buckets[live.id >> BUCKET_SHIFT]
        if bucket.live.get(live.id) is live:
            self.touch(live)
        else:
            bucket.idle.put(live.id, self.pack(live, clock))
            self.changed.add(live.id)

    def touch(self, live: Live) -> None:
        """Note that a live entity differs from its last snapshot."""
        if not live.dirty:
            live.dirty = True
            self.touched[live.id] = live

    def pack(self, live: Live, clock: float) -> bytes:
        """An entity as bytes; a state that equals a fresh one is not written."""
        states: list[bytes | None] = []
        for index, held in enumerate(live.states):
            packed = held
            if held is not None and type(held) is not bytes:
                self.detectors[index].rest(held, clock)
                packed = self._codecs[index].pack(held)
            states.append(None if packed == self._fresh[index] else packed)
        warm = live.warm()
        emitted: Any = ()
        if live.emitted:
            minute = int(clock) // 60
            emitted = sorted(entry for entry in live.emitted.items() if entry[1] >> 2 > minute)
        pending = sorted(live.pending.items()) if live.pending else ()
        return trimmed(
            [
                live.seen,
                states,
                0,
                live.hours,
                live.days,
                -1 if warm else live.day,
                0 if warm else live.peers,
                emitted,
                live.raw if pending or self.wakes else None,
                pending,
            ]
        )

    def begin_copy(self, clock: float, buckets: Iterable[int]) -> dict[int, bytes | None]:
        """Begin to copy what changed since this was last called, and whole buckets, as they are now.

        Returns the ids that changed with what `whole` makes their bytes of; for those who have none yet, and for the
        other live entities of the buckets, `copies` has them once it came round to them.
        """
        changed: dict[int, bytes | None] = {}
        for identity in self.changed:
            changed[identity] = self.buckets[identity >> BUCKET_SHIFT].idle.peek(identity)
        changed.update(dict.fromkeys(self.touched))
        lives = list(self.touched.values())
        for number in buckets:
            lives += self.buckets[number].live.values()
        self.copies.begin(lives, clock)
        self.changed.clear()
        self.touched.clear()
        return changed

    def copied_bucket(self, number: int) -> dict[int, bytes | None]:
        """The entities of a bucket when a copy begins, as `begin_copy` gives them."""
        bucket = self.buckets[number]
        entries: dict[int, bytes | None] = dict(bucket.idle.kept())
        entries.update(dict.fromkeys(bucket.live))
        return entries

    def size(self, clock: float) -> int:
        """The bytes of all entities when packed."""
        idle = sum(len(packed) for bucket in self.buckets.values() for _, packed in bucket.quiet())
        return idle + sum(len(self.pack(live, clock)) for live in self.live.values())

    def load(self, entries: Iterable[tuple[int, bytes | None]]) -> None:
        """Take in packed entities, the later ones in place of the earlier; None forgets one."""
        for identity, packed in entries:
            number = identity >> BUCKET_SHIFT
            bucket = self.buckets.get(number)
            if bucket is None:
                bucket = self.buckets[number] = Bucket(self._compression)
            if packed is not None:
                bucket.idle.put(identity, packed)
            else:
                bucket.idle.drop(identity)

    def layout(self) -> list[Any]:
        """What packed entities depend on: the detectors with their state versions, and the lengths of cells."""
        return [[[d.spec.name, d.spec.state_version] for d in self.detectors], list(self.lengths)]

    def migrate(self, layout: list[Any]) -> None:
        """Bring packed entities of another layout into this one; what has no place here is dropped."""
        detectors, lengths = layout
        here = {(d.spec.name, d.spec.state_version): index for index, d in enumerate(self.detectors)}
        moves = [(old, here[tuple(known)]) for old, known in enumerate(detectors) if tuple(known) in here]
        for bucket in self.buckets.values():
            for identity, packed in bucket.idle.items():
                quiet = unpacked(packed)
                states: list[bytes | None] = [None] * len(self.detectors)
                for old, new in moves:
                    states[new] = quiet.states[old] if old < len(quiet.states) else None
                pending: dict[int, int] = {}
                for code, bits in quiet.pending:
                    seconds = lengths[code & 15]
                    kept = sum(1 << new for old, new in moves if bits >> old & 1)
                    if kept and seconds in self.lengths:
                        pending[code >> 4 << 4 | self.lengths.index(seconds)] = kept
                moved = quiet._replace(states=tuple(states), pending=tuple(sorted(pending.items())))
                bucket.idle.put(identity, packed_quiet(moved))
                self.changed.add(identity)

    def sweep(self, clock: float) -> None:
        """Look for the live entities that had no event for a while, once half the seats are taken, to pack them next.

        Below that they are kept, since most are about to have a cell settled or another event.
        """
        if len(self.live) * 2 <= self.live_limit:
            self.quiet = []
            return
        before = int(clock) // 60 - BUSY_MINUTES
        self.quiet = [live for live in self.live.values() if live.seen < before]

    def pack_quiet(self, clock: float, limit: int) -> None:
        """Pack some of those that `sweep` found, unless an event came since."""
        before = int(clock) // 60 - BUSY_MINUTES
        for _ in range(min(limit, len(self.quiet))):
            live = self.quiet.pop()
            if live.seen < before:
                self._put_away(live, clock)

    def tidy(self, number: int, minute: int, keep_minutes: int) -> None:
        """Go through one bucket: forget who was last seen too long ago, and let the states of the quiet rest.

        An entity with nothing to remember is forgotten after an hour. A state rests once its open hours, and again once
        what it opened ahead and its open days, are no longer held.
        """
        bucket = self.buckets.get(number)
        if bucket is None:
            return
        for live in [live for live in bucket.live.values() if minute - live.seen > STUB_MINUTES] if bucket.live else ():
            if minute - live.seen > min(REST_MINUTES[0], keep_minutes) or self._unremarkable(live, minute):
                self._put_away(live, minute * 60.0)
        if not len(bucket.idle):
            return
        old: list[int] = []
        resting: list[tuple[int, Quiet]] = []
        for identity, packed in bucket.quiet():
            quiet = unpacked(packed)
            age = minute - quiet.seen
            if age > STUB_MINUTES and not quiet.pending and (age > keep_minutes or says_nothing(quiet, minute)):
                old.append(identity)
            elif quiet.states and (rested := sum(age > after for after in REST_MINUTES)) > quiet.rested:
                resting.append((identity, quiet._replace(rested=rested)))
        for identity in old:
            bucket.idle.drop(identity)
        for identity, quiet in resting:
            bucket.idle.put(identity, self._rested(quiet, minute * 60.0))
        self.count -= len(old)
        self.changed.update(old)
        self.changed.update(identity for identity, _ in resting)

    def rename(self, facts: Facts) -> None:
        """Name the live entities by new facts."""
        self.facts = facts
        if self.kind == "server":
            for live in self.live.values():
                live.entity = entity_of(self.kind, live.raw, facts)

    def waiting(self) -> Iterator[tuple[int, int]]:
        """Every (id, cell code) that still has to be settled."""
        for bucket in self.buckets.values():
            for live in bucket.live.values():
                for code in live.pending:
                    yield live.id, code
            for identity, packed in bucket.quiet():
                for code, _ in unpacked(packed).pending:
                    yield identity, code

    def _unremarkable(self, live: Live, minute: int) -> bool:
        """Whether there is nothing to remember of a live entity; its states are looked at once after each event."""
        if live.hours or live.pending or live.looked == live.seen:
            return False
        if any(entry >> 2 > minute for entry in live.emitted.values()):
            return False
        live.looked = live.seen
        return says_nothing(unpacked(self.pack(live, minute * 60.0)), minute)

    def _rested(self, quiet: Quiet, clock: float) -> bytes:
        states: list[bytes | None] = []
        for index, packed in enumerate(quiet.states):
            if packed is not None:
                state = self._codecs[index].unpack(packed)
                self.detectors[index].rest(state, clock)
                again = self._codecs[index].pack(state)
                states.append(again if again != self._fresh[index] else None)
            else:
                states.append(None)
        return packed_quiet(quiet._replace(states=tuple(states)))

    def _wake(self, raw: Raw, identity: int, quiet: Quiet) -> Live:
        states: list[Any] = [*quiet.states]
        if len(states) < len(self.detectors):
            states += [None] * (len(self.detectors) - len(states))
        live = Live(raw, identity, entity_of(self.kind, raw, self.facts), states)
        live.seen, _, _, live.hours, live.days, live.day, live.peers, emitted, _, pending = quiet
        if emitted:
            live.emitted = dict(emitted)
        if pending:
            live.pending = dict(pending)
            live.plan_due()
        return live

    def _seat(self, bucket: Bucket, live: Live, clock: float) -> None:
        while len(self.live) >= self.live_limit:
            self._put_away(self._seats.last(), clock)
        bucket.live[live.id] = live
        self.live[live.raw] = live
        self._seats.take(live, int(clock) // 60)

    def _put_away(self, live: Live, clock: float) -> None:
        bucket = self.buckets[live.id >> BUCKET_SHIFT]
        if bucket.live.get(live.id) is not live:
            return
        self.copies.before_change(live)
        del bucket.live[live.id]
        del self.live[live.raw]
        bucket.idle.put(live.id, self.pack(live, clock))
        # Whoever still knows it by its last answer must find it anew.
        live.stamp, live.states = -1, []
        if live.dirty:
            del self.touched[live.id]
            self.changed.add(live.id)


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << index for index, flag in enumerate(flags) if flag)
