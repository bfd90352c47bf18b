"""How far detection is on a log of several partitions: every task of a detector tells the findings its clock."""

from collections.abc import Sequence

import msgspec

from detectors.engine.own_gaps import ENGINE, FAULT
from stream.finding import DECODER
from stream.frame import Record, unpack


class Looking:
    """Hears the findings; `tasks` is how many tasks put them out, `position` how far it has read.

    `failed` has the detectors that failed on something and when, in seconds since the epoch.
    """

    def __init__(self, tasks: int) -> None:
        self.position = 0
        self.failed: dict[str, float] = {}
        self._tasks = tasks
        self._clocks: dict[str, float] = {}
        self._first: dict[str, float] = {}

    @property
    def clock(self) -> float:
        """Up to when every task has folded what there was, in seconds; 0 while one of them was not heard of yet."""
        return min(self._clocks.values()) if len(self._clocks) >= self._tasks else 0.0

    @property
    def since(self) -> float:
        """From when on every task folded what there was, as far as the findings go back."""
        return max(self._first.values(), default=0.0)

    def take(self, records: Sequence[Record]) -> None:
        """Hear what follows in the findings."""
        for record in records:
            header = record.frame.header
            self.position = record.offset + 1
            if header.origin is None:
                continue
            task = f"{header.origin.task}/{header.origin.partition}"
            self._first.setdefault(task, header.received)
            self._clocks[task] = max(self._clocks.get(task, 0.0), header.received)
            for line in unpack(record.frame).splitlines() if header.content == "findings" else ():
                finding = DECODER.decode(line)
                if finding.detector == ENGINE and finding.matter == FAULT:
                    self.failed[finding.entity["producer"].partition("/")[2]] = finding.time

    def pack(self) -> bytes:
        """What it knows, as bytes."""
        return msgspec.msgpack.encode((self.position, self.failed, self._clocks, self._first))

    def unpack(self, packed: bytes) -> None:
        """Become what was packed."""
        said = msgspec.msgpack.decode(packed, type=tuple[int, dict[str, float], dict[str, float], dict[str, float]])
        self.position, self.failed, self._clocks, self._first = said
