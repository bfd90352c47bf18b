"""Labels: what really happened, written while the events that made it are numbered."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tocsin_audit.event import rfc3339

EVENT_IDS: Final = 1000
"""Event ids that the truth names per incident at most; `count` says how many there were."""
DECOY_IDS: Final = 5000
"""The same per decoy: an outage touches everybody."""

Difficulty = Literal["easy", "medium", "hard"]
GRADES: Final[tuple[Difficulty, ...]] = ("easy", "medium", "hard")


@dataclass(slots=True)
class Label:
    """One incident, or one decoy: something that looks like an incident and is none.

    `class_` of a decoy is the class that it looks like. `allowed` are classes of operations findings that tell the
    truth about a decoy and count neither for nor against a detector. `decides` is the number of the event with which
    the evidence suffices by the published thresholds: delay is counted from there.
    """

    id: str
    class_: str
    scenario: str
    entity: dict[str, str]
    severity: str = "high"
    difficulty: Difficulty = "medium"
    also: tuple[str, ...] = ()
    why_benign: str | None = None
    allowed: tuple[str, ...] = ()
    event_ids: list[str] = field(default_factory=list)
    count: int = 0
    decides: int = 1
    times: list[float] = field(default_factory=list)
    start: float = 0.0
    end: float = 0.0

    def note(self, event_id: str, time: float) -> None:
        """One more event of it, by the time that its producer wrote."""
        if self.count == 0:
            self.start = self.end = time
        elif time < self.start:
            self.start = time
        elif time > self.end:
            self.end = time
        self.count += 1
        if len(self.event_ids) < (EVENT_IDS if self.why_benign is None else DECOY_IDS):
            self.event_ids.append(event_id)
            self.times.append(time)

    def record(self) -> dict[str, Any]:
        """The label in the form of `truth.json`."""
        record: dict[str, Any] = {
            "id": self.id,
            "class": self.class_,
            "scenario": self.scenario,
            "entity": self.entity,
            "start": rfc3339(self.start),
            "end": rfc3339(self.end),
            "count": self.count,
            "event_ids": self.event_ids,
        }
        if self.why_benign is not None:
            return record | {"why_benign": self.why_benign, "allowed": list(self.allowed)}
        times = sorted(self.times)
        return record | {
            "also": list(self.also),
            "severity": self.severity,
            "difficulty": self.difficulty,
            "deciding": rfc3339(times[min(self.decides, len(times)) - 1]),
            "offsets": [round(time - self.start, 3) for time in times],
        }
