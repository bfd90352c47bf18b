"""The replay: the very engine, from the nearest snapshot before an event up to it, and on until its windows closed."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from detectors.engine.task import TASK, resume
from detectors.engine.witness import Account, View, Witness
from stream.log import EVENTS, Log
from tocsin.whynot.place import Place, Progress

AT_ONCE: Final = 64
AFTER: Final = 7_200.0 + 180.0
"""Seconds of the log's clock past an event for which counting goes on: what follows may fill the windows it is in."""


class Replay(NamedTuple):
    """What a replay came to.

    `began` says where the state came from: `snapshot`, `start` (the beginning of the log), or `retained` (what was
    before is gone, so that counters and warm-up may stand too low). `until` is the clock at which `later` was looked
    at, None where nothing had followed yet.
    """

    account: Account
    later: Sequence[View]
    began: str
    frames: int
    events: int
    until: float | None


def replay(
    log: Log, engine: Callable[[], Witness], place: Place, end: int, progress: Progress, pause: Callable[[], None]
) -> Replay:
    """Fold what came before an event, tell of it, and fold on for two hours; `pause` is called between reads."""
    target = place.record.offset
    began, position, witness = "start", 0, engine()
    snapshot = log.load(f"{TASK}/{EVENTS.partition}")
    if snapshot is not None and snapshot.version == witness.version and snapshot.position <= target:
        resume(witness, snapshot)
        began, position = "snapshot", snapshot.position
    first, frames, events = position, 0, 0
    while records := [one for one in log.read(EVENTS, position, limit=AT_ONCE) if one.offset < target]:
        if not frames and began == "start" and records[0].offset > 0:
            began = "retained"
        for record in records:
            witness.fold(record)
            frames += 1
            events += record.frame.header.count
        position = records[-1].offset + 1
        progress((position - first) / (target + 1 - first), f"folding {events:,} events")
        pause()
    if not frames and began == "start" and target > 0:
        began = "retained"
    account = witness.account(place.record, place.line)
    until = _fold_on(log, witness, place, end, pause)
    source = place.record.frame.header.source
    later = witness.again(place.event, source) if until is not None else []
    return Replay(account, later, began, frames, events, until)


def _fold_on(log: Log, witness: Witness, place: Place, end: int, pause: Callable[[], None]) -> float | None:
    """Fold the rest of the event's frame and what came within two hours; the clock there, None where nothing did."""
    witness.rest_of(place.record, place.line)
    position, stop = place.record.offset + 1, place.event.time + AFTER
    began = position
    while position < end and (records := log.read(EVENTS, position, limit=AT_ONCE)):
        for record in records:
            if record.frame.header.received > stop:
                return witness.clock
            witness.fold(record)
        position = records[-1].offset + 1
        pause()
    return witness.clock if position > began else None
