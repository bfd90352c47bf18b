"""Merging what several tasks found: findings that may explain one another are taken in the order of their clocks."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from alerting.deciding.inhibit import SOURCES, TARGETS
from stream.finding import Finding
from stream.frame import Record

Decode = Callable[[Record], list[Finding]]


class Heard(NamedTuple):
    """A record with its findings; `matters` says that one of them may explain others, or be explained."""

    record: Record
    findings: list[Finding]
    matters: bool


class Merge:
    """Holds findings of causes, and of what causes explain, until every task has shown a later clock.

    With a single task (`tasks` below 2) its stream is in order already and nothing is held. What else a task says
    overtakes others' held findings but never its own; operators' acts overtake nothing. `decode` gives a record's
    findings.
    """

    def __init__(self, tasks: int, decode: Decode) -> None:
        self._tasks = tasks if tasks > 1 else 0
        self._decode = decode
        self._clocks: dict[tuple[str, int], float] = {}
        self._waiting: list[Heard] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest(self) -> int | None:
        """The offset of the first record that is held, None where nothing is."""
        return self._waiting[0].record.offset if self._waiting else None

    @property
    def clock(self) -> float:
        """What every task's clock has come to, in seconds since the epoch; below 0 where one was not heard of yet."""
        return min(self._clocks.values()) if len(self._clocks) >= self._tasks else -1.0

    def add(self, records: Sequence[Record]) -> None:
        """Take in what follows in the stream. Raises DamagedError where findings cannot be read; nothing is taken."""
        added = []
        for record in records:
            findings = self._decode(record) if record.frame.header.content == "findings" else []
            matters = any(finding.class_ in SOURCES or finding.class_ in TARGETS for finding in findings)
            added.append(Heard(record, findings, matters))
        self._waiting += added
        for record in records:
            if (origin := record.frame.header.origin) is not None:
                place = (origin.task, origin.partition)
                self._clocks[place] = max(self._clocks.get(place, 0.0), record.frame.header.received)

    def ready(self, *, all_: bool = False) -> list[list[Heard]]:
        """What nothing can precede any more, in order, together what is of one clock; with `all_` all that is held."""
        limit = float("inf") if all_ or not self._tasks else self.clock
        found: list[list[Heard]] = [[]]
        held: list[Heard] = []
        blocked: set[tuple[str, int]] = set()
        for one in self._waiting:
            origin = one.record.frame.header.origin
            if origin is None:
                if held:
                    held.append(one)
                else:
                    found += [[one], []]
            elif (place := (origin.task, origin.partition)) in blocked or (
                one.matters and one.record.frame.header.received >= limit
            ):
                blocked.add(place)
                held.append(one)
            else:
                found[-1].append(one)
        self._waiting = held
        return [group for part in found for group in self._grouped(part)]

    def _grouped(self, part: list[Heard]) -> list[list[Heard]]:
        if not self._tasks:
            return [[one] for one in part]
        groups: list[list[Heard]] = []
        last: tuple[float, bool] | None = None
        for one in sorted(part, key=_clock):
            header = one.record.frame.header
            alike = (header.received, header.imported)
            if one.findings and alike == last:
                groups[-1].append(one)
            else:
                groups.append([one])
                last = alike if one.findings else None
        return groups


def _clock(one: Heard) -> float:
    return one.record.frame.header.received
