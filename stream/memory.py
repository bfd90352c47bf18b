"""A log in memory for one reader a stream: what was read is forgotten; for backtests and tests."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import islice

from stream.frame import Frame, Record
from stream.log import Snapshot, Stream


class MemoryLog:
    """The `Log` contract without durability: frames before the last position read are gone."""

    def __init__(self) -> None:
        self._frames: dict[Stream, deque[Record]] = {}
        self._next: dict[Stream, int] = {}
        self._snapshots: dict[str, Snapshot] = {}

    def append(self, stream: Stream, frame: Frame) -> Future[int]:
        """Add a frame; it is there at once."""
        offset = self._next.get(stream, 0)
        self._next[stream] = offset + 1
        self._frames.setdefault(stream, deque()).append(Record(offset, frame))
        done: Future[int] = Future()
        done.set_result(offset)
        return done

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> Sequence[Record]:  # noqa: ARG002  # nobody else appends while one reads
        """Frames from a position on; those before it are forgotten."""
        frames = self._frames.get(stream)
        if frames is None:
            return ()
        while frames and frames[0].offset < position:
            frames.popleft()
        return list(islice(frames, limit))

    def save(self, snapshot: Snapshot) -> None:
        """Keep the last snapshot with the buckets that it did not change, none of them from another version's."""
        last = self._snapshots.get(snapshot.task)
        kept = last.buckets if last is not None and last.version == snapshot.version else {}
        buckets = {**kept, **snapshot.buckets}
        present = {name: bucket for name, bucket in buckets.items() if bucket is not None}
        self._snapshots[snapshot.task] = snapshot._replace(buckets=present)

    def load(self, task: str) -> Snapshot | None:
        """The last snapshot of a task."""
        return self._snapshots.get(task)
