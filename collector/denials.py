"""Denials at a listener: the fold of what the stream says of them, and which producers obey."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any, Final

import msgspec

from stream.control import DECODER, Denied, Obeyed
from stream.errors import UNREADABLE, DamagedError
from stream.frame import unpack
from stream.log import EVENTS, Log, Snapshot, Stream
from tocsin_audit.event import AuditEvent

ALIVE: Final = 45.0
"""Seconds after its last heartbeat for which a producer is expected to obey."""
PRODUCERS: Final = 10_000
"""Producers that are remembered; beyond them the one that was silent longest is forgotten."""
LOOK_BACK: Final = 900.0
"""Seconds of the stream that a new listener reads: what holds is told again more often than that."""
_TASK: Final = "denials"
_SAVE: Final = 30.0


class Board:
    """Who is refused now: the last word on each denial, without those that are over.

    `denials` is the same object while nothing changes. Safe to use from several threads.
    """

    def __init__(self, denials: Iterable[Denied] = ()) -> None:
        self._lock = Lock()
        self._last = {denial.id: denial for denial in denials}
        self.denials: Sequence[Denied] = tuple(self._last.values())

    def apply(self, denied: Denied, now: float) -> bool:
        """Hear of a denial; whether that changed anything. `now` is the wall clock in seconds."""
        with self._lock:
            if self._last.get(denied.id) == denied:
                return False
            kept = {id_: one for id_, one in self._last.items() if one.until > now}
            changed = kept.pop(denied.id, None) is not None or denied.until > now
            if denied.until > now:
                kept[denied.id] = denied
            self._last = kept
            self.denials = tuple(kept.values())
            return changed

    def holds(self, id_: str, now: float) -> bool:
        """Whether a denial is in force."""
        found = self._last.get(id_)
        return found is not None and found.until > now


class _Said(msgspec.Struct):
    denials: list[str] = []


class Obedience:
    """Hears heartbeats, and reports for each denial who is to obey it and who says that it does, once each.

    `report` brings a record into the stream of findings; it answers whether that was done.
    """

    def __init__(self, board: Board, report: Callable[[Obeyed, Callable[[], None]], None]) -> None:
        self._board = board
        self._report = report
        self._lock = Lock()
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._reported: dict[str, set[str]] = {}

    def hear(self, events: Sequence[AuditEvent], now: float) -> None:
        """Look for heartbeats among events that became durable."""
        if "heartbeat" in [event.kind for event in events]:
            for event in events:
                if event.kind == "heartbeat":
                    self._heartbeat(event, now)

    def asked(self, denied: Denied, now: float) -> None:
        """A denial is new: report who is alive and so to obey it."""
        with self._lock:
            alive = tuple(name for name, at in self._seen.items() if at > now - ALIVE)
        if alive and denied.until > now:
            self._report(Obeyed(denied.id, alive[:1000], False, now), lambda: None)

    def _heartbeat(self, event: AuditEvent, now: float) -> None:
        name = f"{event.server} ({event.producer or '-'}/{event.run or '-'})"
        with self._lock:
            self._seen[name] = now
            self._seen.move_to_end(name)
            while len(self._seen) > PRODUCERS:
                self._seen.popitem(last=False)
            if not self._board.denials:
                return
            self._reported = {id_: names for id_, names in self._reported.items() if self._board.holds(id_, now)}
            new = [
                id_
                for id_ in _denials_in(event.ext)
                if self._board.holds(id_, now) and name not in self._reported.get(id_, ())
            ]
            for id_ in new:
                self._reported.setdefault(id_, set()).add(name)
        for id_ in new:
            self._report(Obeyed(id_, (name,), True, now), lambda id_=id_: self._forget(id_, name))  # type: ignore[misc]  # bound now

    def _forget(self, id_: str, name: str) -> None:
        """What could not be reported is reported with the next heartbeat."""
        with self._lock:
            self._reported.get(id_, set()).discard(name)


class Tail:
    """Follows a stream of events for denials, for a listener that is not where they are made.

    Facts are in every partition, so that one is enough. `state` keeps how far it is; without that the last quarter of
    an hour is read.
    """

    def __init__(self, log: Any, state: Any, board: Board, changed: Callable[[Denied], None]) -> None:
        self._log: Log = log
        self._state = state
        self._board = board
        self._changed = changed
        self._saved = 0.0
        self._stream = Stream(EVENTS.name, 0)
        self._position: int | None = None

    def turn(self, now: float, *, wait: float) -> None:
        """Read what is there, waiting up to `wait` seconds."""
        if self._position is None:
            self._position = self._resume(now)
        records = self._log.read(self._stream, self._position, limit=64, wait=wait)
        changed = False
        for record in records:
            if record.frame.header.content == "control":
                changed |= self._fold(record, now)
        if records:
            self._position = records[-1].offset + 1
        if changed or (records and now - self._saved > _SAVE):
            self._saved = now
            meta = msgspec.json.encode([denial for denial in self._board.denials if denial.until > now])
            self._state.save(Snapshot(_TASK, 1, self._position, meta, {}))

    def _fold(self, record: Any, now: float) -> bool:
        changed = False
        for line in unpack(record.frame).splitlines():
            try:
                control = DECODER.decode(line)
            except UNREADABLE as error:
                raise DamagedError(
                    "a fact in the stream cannot be read", where=f"events/0 at {record.offset}"
                ) from error
            if isinstance(control, Denied) and self._board.apply(control, now):
                changed = True
                self._changed(control)
        return changed

    def _resume(self, now: float) -> int:
        snapshot = self._state.load(_TASK)
        if snapshot is not None:
            for denied in msgspec.json.decode(snapshot.meta, type=list[Denied]):
                self._board.apply(denied, now)
            return int(snapshot.position)
        return since(self._log, self._stream, now - LOOK_BACK)


def since(log: Any, stream: Stream, received: float) -> int:
    """The offset from which on frames were received after a moment, found by halving; the log knows begin and end."""
    low, high = log.begin(stream), log.end(stream)
    while low < high:
        middle = (low + high) // 2
        found = log.read(stream, middle, limit=1, wait=1.0)
        if found and found[0].frame.header.received < received:
            low = found[0].offset + 1
        else:
            high = middle
    return int(low)


def _denials_in(ext: Any) -> list[str]:
    try:
        return msgspec.json.decode(bytes(ext), type=_Said).denials if ext else []
    except (*UNREADABLE, TypeError):
        return []
