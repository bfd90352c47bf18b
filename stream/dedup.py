"""Duplicates count once: sequence numbers by mark and bitmap, ids for ten minutes."""

from collections.abc import Sequence
from typing import Final

import msgspec

from stream.stretch import Stretch
from tocsin_audit.event import AuditEvent

WINDOW: Final = 65_536
"""Sequence numbers below a run's highest that are remembered one by one."""
HOLD: Final = 600.0
"""Seconds of the clock for which an id is remembered."""
RUNS: Final = 65_536
"""Runs remembered at most; beyond it those longest unused are forgotten."""
SPARSE: Final = 4_096
"""Runs with gaps, of 8 KiB each, remembered at most."""
IDS: Final = 2_000_000
"""Ids remembered at most; beyond it the oldest are forgotten before their time."""

_RunKey = tuple[str, str, str]
_IdKey = tuple[str, str]
_Place = tuple[str | None, str | None, int] | str | None
_LEAST: Final = -(2**63)


class Run:
    """The sequence numbers seen of one run of one producer: all of `[low, mark]`, and those of a bitmap below.

    The bitmap is a ring over the last 65,536 numbers, made when the first gap shows and given up once there has been
    none for as long. A number further back than that cannot be told: it counts as new, since a lost event is worse
    than a doubled one.
    """

    __slots__ = ("bits", "low", "mark")

    def __init__(self, low: int, mark: int, bits: bytearray | None = None) -> None:
        self.low = low
        self.mark = mark
        self.bits = bits

    def knows(self, seq: int) -> bool:
        """Whether a number was seen, as far as that is remembered."""
        if seq >= self.low:
            return seq <= self.mark
        if self.bits is None or seq <= self.mark - WINDOW:
            return False
        return bool(self.bits[(seq & 0xFFFF) >> 3] >> (seq & 7) & 1)

    def see(self, seq: int) -> None:
        """Remember a number."""
        if seq == self.mark + 1:
            self.stretch(seq)
        elif seq > self.mark:
            self._leap(seq)
        elif seq == self.low - 1:
            self.low = seq
        elif seq < self.low and seq > self.mark - WINDOW:
            if self.bits is None:
                self.bits = bytearray(WINDOW >> 3)
            self.bits[(seq & 0xFFFF) >> 3] |= 1 << (seq & 7)

    def stretch(self, last: int) -> None:
        """Remember all numbers from the next to `last`."""
        self.mark = last
        if self.bits is not None and last - self.low >= WINDOW:
            self.bits = None

    def _leap(self, seq: int) -> None:
        """Go to a number beyond the next: what was one stretch goes into the bitmap, what is jumped over is a gap."""
        if seq - self.mark >= WINDOW:
            self.bits = None
        else:
            if self.bits is None:
                self.bits = bytearray(WINDOW >> 3)
            _paint(self.bits, max(self.low, self.mark - WINDOW + 1), self.mark + 1, True)
            _paint(self.bits, self.mark + 1, seq + 1, False)
        self.low = self.mark = seq


class Duplicates:
    """What was seen before, by (scope, producer, run, seq), else by (scope, id).

    The scope is whose word it is (the collector key): nobody can use up a stranger's numbers. Events with neither a
    whole (producer, run, seq) nor an id are always new. Everything is a function of the calls alone.
    """

    def __init__(self, *, runs: int = RUNS, sparse: int = SPARSE, ids: int = IDS, hold: float = HOLD) -> None:
        self._most_runs = runs
        self._most_sparse = sparse
        self._most_ids = ids
        self._hold = hold
        self._runs: dict[_RunKey, Run] = {}
        self._older_runs: dict[_RunKey, Run] = {}
        self._sparse = 0
        self._ids: dict[_IdKey, float] = {}
        self._older_ids: dict[_IdKey, float] = {}
        self._turned = 0.0

    def take(self, scope: str, events: Sequence[AuditEvent], now: float, stretch: Stretch | None = None) -> list[int]:
        """The indexes of the events seen before; the others are remembered.

        `now` is the clock in seconds; `stretch` is what `stretch_of` says of them, where that is known.
        """
        if stretch is not None and self._follows(scope, stretch):
            return []
        found: list[int] = []
        producer = name = None
        run = None
        for index, event in enumerate(events):
            seq = event.seq
            if seq is None or event.producer is None or event.run is None:
                if event.id is not None:
                    if self._knows_id((scope, event.id), now):
                        found.append(index)
                    else:
                        self._see_id((scope, event.id), now)
                continue
            if event.run != name or event.producer != producer:
                producer, name = event.producer, event.run
                run = self._run((scope, producer, name))
            if run is None:
                run = self._add((scope, event.producer, event.run), seq)
            elif seq == run.mark + 1 and run.bits is None:
                run.mark = seq
            elif run.knows(seq):
                found.append(index)
            else:
                self._see(run, seq)
        return found

    def find(self, scope: str, events: Sequence[AuditEvent], now: float, stretch: Stretch | None = None) -> list[int]:
        """The indexes of the events seen before, or earlier among these; nothing is remembered (see `mark`).

        `stretch` is as in `take`.
        """
        if stretch is not None:
            run = self._run((scope, *stretch[:2]))
            if run is None or run.mark < stretch.first:
                return []
        found: list[int] = []
        producer = name = None
        run = None
        following = 0
        tops: dict[_RunKey, int] = {}
        here: set[_Place] = set()
        entered = 0
        for index, event in enumerate(events):
            seq = event.seq
            if seq is not None and event.producer is not None and event.run is not None:
                if event.run != name or event.producer != producer:
                    if producer is not None and name is not None:
                        tops[scope, producer, name] = following
                    producer, name = event.producer, event.run
                    run = self._run((scope, producer, name))
                    following = tops.get((scope, producer, name), _LEAST if run is None else run.mark + 1)
                if seq >= following:
                    # Above everything known of this run, here and before.
                    following = seq + 1
                    continue
                known = run is not None and run.knows(seq)
            elif event.id is not None:
                known = self._knows_id((scope, event.id), now)
            else:
                continue
            if not known:
                here.update(map(_place, events[entered:index]))
                entered = index
                known = _place(event) in here
            if known:
                found.append(index)
        return found

    def mark(self, scope: str, events: Sequence[AuditEvent], now: float, stretch: Stretch | None = None) -> None:
        """Remember events that are now durable; `stretch` is as in `take`."""
        self.take(scope, events, now, stretch)

    def dump(self) -> bytes:
        """Everything remembered, for a snapshot."""
        return msgspec.msgpack.encode(
            (
                [[(*key, run.low, run.mark, run.bits) for key, run in part.items()] for part in self._generations()],
                [list(self._older_ids.items()), list(self._ids.items())],
                self._turned,
            )
        )

    def restore(self, dumped: bytes) -> None:
        """Become what was dumped."""
        runs, ids, self._turned = msgspec.msgpack.decode(dumped, type=_Dumped)
        older, newer = (
            {(scope, producer, name): Run(low, mark, bits) for scope, producer, name, low, mark, bits in part}
            for part in runs
        )
        self._older_runs, self._runs = older, newer
        self._sparse = sum(run.bits is not None for run in newer.values())
        self._older_ids, self._ids = dict(ids[0]), dict(ids[1])

    def _generations(self) -> tuple[dict[_RunKey, Run], dict[_RunKey, Run]]:
        return self._older_runs, self._runs

    def _follows(self, scope: str, stretch: Stretch) -> bool:
        """Whether a stretch begins where its run is, and then remember it."""
        run = self._run((scope, *stretch[:2]))
        if run is None or run.mark + 1 != stretch.first:
            return False
        run.stretch(stretch.last)
        return True

    def _run(self, key: _RunKey) -> Run | None:
        run = self._runs.get(key)
        if run is None and (run := self._older_runs.pop(key, None)) is not None:
            self._keep(key, run)
        return run

    def _add(self, key: _RunKey, seq: int) -> Run:
        run = Run(seq, seq)
        self._keep(key, run)
        return run

    def _keep(self, key: _RunKey, run: Run) -> None:
        if len(self._runs) * 2 >= self._most_runs or self._sparse * 2 >= self._most_sparse:
            self._older_runs, self._runs, self._sparse = self._runs, {}, 0
        self._runs[key] = run
        self._sparse += run.bits is not None

    def _see(self, run: Run, seq: int) -> None:
        before = run.bits is not None
        run.see(seq)
        self._sparse += (run.bits is not None) - before

    def _knows_id(self, key: _IdKey, now: float) -> bool:
        seen = self._ids.get(key)
        if seen is None:
            seen = self._older_ids.get(key)
        return seen is not None and now - seen <= self._hold

    def _see_id(self, key: _IdKey, now: float) -> None:
        if now - self._turned > self._hold or len(self._ids) * 2 >= self._most_ids:
            self._older_ids, self._ids, self._turned = self._ids, {}, now
        self._ids[key] = now


_DumpedRun = tuple[str, str, str, int, int, bytearray | None]
_Dumped = tuple[tuple[list[_DumpedRun], list[_DumpedRun]], list[list[tuple[_IdKey, float]]], float]


def _place(event: AuditEvent) -> _Place:
    if event.seq is not None and event.producer is not None and event.run is not None:
        return event.producer, event.run, event.seq
    return event.id


def _paint(bits: bytearray, begin: int, end: int, value: bool) -> None:
    """Set or clear the ring's bits of the numbers `begin` to `end`, without the latter."""
    while begin < end:
        if begin & 7 == 0 and end - begin >= 8:
            place = (begin & 0xFFFF) >> 3
            whole = min((end - begin) >> 3, len(bits) - place)
            bits[place : place + whole] = (b"\xff" if value else b"\0") * whole
            begin += whole << 3
        else:
            place = (begin & 0xFFFF) >> 3
            if value:
                bits[place] |= 1 << (begin & 7)
            else:
                bits[place] &= ~(1 << (begin & 7))
            begin += 1
