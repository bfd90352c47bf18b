"""The log that everything flows through: one contract, whatever keeps it."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from stream.frame import Frame, Record


class Stream(NamedTuple):
    """One partition of a named stream: `events` (with the control records and ticks in it) or `findings`.

    Where the events have several partitions, `wide` and `peers` have as many: what their tasks tell one another.
    """

    name: str
    partition: int = 0


EVENTS = Stream("events")
FINDINGS = Stream("findings")
WIDE = "wide"
PEERS = "peers"


class Snapshot(NamedTuple):
    """What a task knew at a position: changed buckets (None where a bucket is gone) and the offset to go on from.

    `meta` is small and always whole; `buckets` hold what changed since the snapshot before it. `version` is the state's
    own version, so that a newer program can refuse or migrate what an older one wrote.
    """

    task: str
    version: int
    position: int
    meta: bytes
    buckets: Mapping[str, bytes | None]


class Log(Protocol):
    """An append-only log of frames in streams, and the snapshots of the tasks that read it.

    Offsets of a stream start at 0 and grow; they need not be dense. All methods are safe to call from any thread.
    """

    def append(self, stream: Stream, frame: Frame) -> Future[int]:
        """Add a frame; the future has its offset once it is durable, or the StorageError that says why it is not.

        Frames of one stream become visible and durable in the order of the calls.
        """
        ...

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> Sequence[Record]:
        """Durable frames at offsets `>= position`, in order, at most `limit`.

        Where there is none, waits up to `wait` seconds for one, then answers with none. Frames gone by retention are
        passed over. Raises DamagedError naming the place where stored bytes are not what was written.
        """
        ...

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot: meta, position and changed buckets become durable together, or not at all."""
        ...

    def load(self, task: str) -> Snapshot | None:
        """The last snapshot of a task, with every bucket it has; None before the first."""
        ...
