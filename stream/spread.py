"""Spreading frames over partitions: every event to the partition of its principal, every fact to all of them."""

from collections.abc import Sequence
from concurrent.futures import Future
from hashlib import blake2b
from threading import Lock
from typing import Protocol

import msgspec

from stream.decode import decode
from stream.frame import Frame, Header, Record, bit, bitmap, pack, unpack
from stream.log import EVENTS, Log, Snapshot, Stream
from tocsin_audit.event import AuditEvent


class Partitioned(Log, Protocol):
    """A log whose events have several partitions."""

    @property
    def partitions(self) -> int:
        """How many."""
        ...


def key_of(event: AuditEvent) -> str:
    """What decides an event's partition: the principal's name, else the token, else the source, else the producer.

    The tenant is no part of it, since the directory may still change it: all that may be one principal stays together.
    """
    if event.user is not None:
        return f"user:{event.user}"
    if event.client is not None:
        return f"client:{event.client}"
    if event.agent is not None:
        return f"agent:{event.agent}"
    if event.token is not None:
        return f"token:{event.token}"
    if event.source_ip is not None:
        return f"source:{event.source_ip}"
    return f"producer:{event.producer}"


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key; changing it would part principals from their state."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % partitions


def spread(frame: Frame, partitions: int) -> dict[int, Frame]:
    """A frame of events as one for each partition that it concerns; lines keep their order, numbers and bits.

    Raises DamagedError where the frame cannot be read.
    """
    if partitions == 1:
        return {0: frame}
    events = decode(frame)
    places: dict[int, list[int]] = {}
    known: dict[str, int] = {}
    for index, event in enumerate(events):
        key = key_of(event)
        place = known.get(key)
        if place is None:
            place = known[key] = partition_of(key, partitions)
        places.setdefault(place, []).append(index)
    if len(places) == 1:
        return {next(iter(places)): frame}
    lines = unpack(frame).split(b"\n")
    return {place: _part(frame.header, events, lines, indexes) for place, indexes in sorted(places.items())}


class Spread:
    """A log that takes whole streams: events go to the partition of their key, facts and ticks to all partitions.

    The future of an append is done once every part is durable, and fails where one is not; the sender then sends all
    again and what was there already is recognised in its partition.
    """

    def __init__(self, log: Partitioned) -> None:
        self._log = log

    def append(self, stream: Stream, frame: Frame) -> Future[int]:
        """Add a frame; the offset is the highest of its parts."""
        if stream.name != EVENTS.name:
            return self._log.append(stream, frame)
        partitions = self._log.partitions
        if frame.header.content == "events":
            parts = spread(frame, partitions)
        else:
            parts = dict.fromkeys(range(partitions), frame)
        return _all([self._log.append(Stream(stream.name, place), part) for place, part in parts.items()])

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> Sequence[Record]:
        """Durable frames of one partition; see `Log.read`."""
        return self._log.read(stream, position, limit=limit, wait=wait)

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; see `Log.save`."""
        self._log.save(snapshot)

    def load(self, task: str) -> Snapshot | None:
        """The last snapshot of a task; see `Log.load`."""
        return self._log.load(task)


def _part(header: Header, events: Sequence[AuditEvent], lines: Sequence[bytes], indexes: Sequence[int]) -> Frame:
    numbers = header.lines or range(header.line, header.line + header.count)
    own = [events[index] for index in indexes]
    times = [event.time for event in own]
    part = msgspec.structs.replace(
        header,
        count=len(own),
        first=min(times),
        last=max(times),
        line=numbers[indexes[0]],
        lines=tuple(numbers[index] for index in indexes),
        late=bitmap([bit(header.late, index) for index in indexes]) if header.late else b"",
        skewed=bitmap([bit(header.skewed, index) for index in indexes]) if header.skewed else b"",
    )
    frame = pack(part, b"\n".join([lines[index] for index in indexes]))
    frame.decoded = own
    return frame


def _all(futures: Sequence[Future[int]]) -> Future[int]:
    """A future that is done with the highest of the others, or fails with the first that failed."""
    if len(futures) == 1:
        return futures[0]
    whole: Future[int] = Future()
    whole.set_running_or_notify_cancel()
    lock = Lock()
    left = len(futures)

    def ended(_: Future[int]) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            failed = next((error for future in futures if (error := future.exception()) is not None), None)
            if failed is not None:
                whole.set_exception(failed)
            else:
                whole.set_result(max(future.result() for future in futures))

    for future in futures:
        future.add_done_callback(ended)
    return whole
