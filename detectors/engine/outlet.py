"""The way out of the engine: what detectors raised, once each, under the mode that was earned."""

from collections.abc import Iterable

from detectors.base import Cell, Spec
from detectors.engine.emitted import first_time, memory
from detectors.engine.live import Live
from detectors.engine.own_gaps import DAY, detector_failed, log_stood_still
from detectors.engine.warmup import Warmup
from stream.finding import Finding


class Outlet:
    """Collects the findings of one frame.

    `faults` has the day on which each detector last failed, `history` the clock where imported history ended: what a
    cell of it shows is observed only, though it closes later.
    """

    def __init__(self, warmup: Warmup) -> None:
        self.found: list[Finding] = []
        self.faults: dict[str, int] = {}
        self.history = 0.0
        self._warmup = warmup
        self._clock = 0.0
        self._imported = False

    def begin(self, clock: float, *, imported: bool) -> None:
        """A new frame, at a moment of the log's clock."""
        self.found = []
        self._clock = clock
        self._imported = imported
        if imported:
            self.history = clock

    def emit(self, spec: Spec, live: Live, raised: Iterable[Finding], cell: Cell | None = None) -> None:
        """Let through what a detector raised about an entity, or about a closed cell of it, unless told before."""
        if cell is not None and self._warmup.blind(spec.name, cell):
            return
        for finding in raised:
            imported = self._imported or (cell is not None and _decided(finding, cell) <= self.history)
            finding.detector = spec.name
            finding.version = spec.version
            finding.mode = self._warmup.mode(spec, finding, live, self._clock, imported=imported)
            if first_time(live, finding, self._clock, memory(spec)):
                self.found.append(finding)

    def failed(self, spec: Spec, error: Exception, time: float) -> None:
        """A detector failed on an event or a cell: nobody may blind all others by it, and it is told once a day."""
        day = int(self._clock) // DAY
        if self.faults.get(spec.name) == day:
            return
        self.faults[spec.name] = day
        self.found.append(detector_failed(spec, error, day, time))

    def stood_still(self, start: float, end: float) -> None:
        """Nobody received anything between two moments of the log's clock."""
        self.found.append(log_stood_still(start, end))


def _decided(finding: Finding, cell: Cell) -> float:
    """When what a closed cell shows was decided: by one event of it, or by all of it from its start on."""
    return finding.time if finding.time < cell.end else cell.start
