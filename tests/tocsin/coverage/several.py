"""A log of several partitions in memory, that is read again from any place as often as one likes."""

from collections.abc import Sequence
from concurrent.futures import Future

from stream.control import Fact, control_frame, read_control
from stream.coverage import Covered, Watched
from stream.frame import Frame, Header, Origin, Record, unpack
from stream.log import EVENTS, FINDINGS, Snapshot, Stream
from stream.spread import spread


class SeveralLog:
    """`partitions` of events, the findings, and snapshots; `partitions` of tasks tell the findings their clocks."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self._frames: dict[Stream, list[Record]] = {}
        self._kept: dict[str, Snapshot] = {}

    def append(self, stream: Stream, frame: Frame) -> Future[int]:
        records = self._frames.setdefault(stream, [])
        records.append(Record(len(records), frame))
        done: Future[int] = Future()
        done.set_result(len(records) - 1)
        return done

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> Sequence[Record]:
        return self._frames.get(stream, [])[position : position + limit]

    def save(self, snapshot: Snapshot) -> None:
        self._kept[snapshot.task] = snapshot

    def load(self, task: str) -> Snapshot | None:
        return self._kept.get(task)

    def begin(self, _: Stream) -> int:
        return 0

    def end(self, stream: Stream) -> int:
        return len(self._frames.get(stream, []))

    def moved(self, since: int, wait: float) -> int:  # nobody else appends
        return since + 1

    def receive(self, records: Sequence[Record]) -> None:
        """Frames come as a listener spreads them, ticks to all; detectors look at each at once and say so."""
        for record in records:
            frame, clock = record.frame, record.frame.header.received
            events = frame.header.content == "events"
            parts = spread(frame, self.partitions) if events else dict.fromkeys(range(self.partitions), frame)
            for partition, part in parts.items():
                self.append(Stream(EVENTS.name, partition), part)
            for partition in range(self.partitions):
                origin = Origin("detect", partition, self.end(Stream(EVENTS.name, partition)), 0)
                header = Header(received=clock, content="tick", codec="none", origin=origin)
                self.append(FINDINGS, Frame(header, b""))

    def tell(self, fact: Fact) -> None:
        """Bring a fact into the findings."""
        self.append(FINDINGS, control_frame(fact, 0.0))

    def told(self) -> list[Covered | Watched]:
        """What the findings hold of coverage."""
        frames = [record.frame for record in self._frames.get(FINDINGS, ())]
        lines = [
            line for frame in frames if frame.header.content == "control" for line in unpack(frame).splitlines() if line
        ]
        facts = [read_control(line) for line in lines]
        return [fact for fact in facts if isinstance(fact, Covered | Watched)]
