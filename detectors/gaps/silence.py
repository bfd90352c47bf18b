"""Silence: when a producer was not heard for too long, with whom together, and why that may be as it should."""

from collections.abc import Mapping, Sequence
from typing import Final

from detectors.base import NOTHING, Entity, Other, Watch
from detectors.gaps.producer import HOUR, Lost, Producer
from detectors.gaps.telling import Teller, of_producer, of_several
from detectors.gaps.words import lasting
from detectors.telling import plural
from stream.facts import Facts
from stream.finding import Finding

BEATS: Final = 3
"""Heartbeats that must stay away."""
SLACK: Final = 5.0
"""Seconds that the last of them may be on its way."""
LEAST: Final = 30.0
"""Seconds of silence that are never told, however quick the heartbeats are."""
SHORTEST: Final = 300.0
"""The same in seconds of a producer without heartbeats."""
DAY: Final = 86_400.0


class SilenceView:
    """The decisions about one producer that no event can bring about."""

    def __init__(self, teller: Teller, parameters: Mapping[str, float]) -> None:
        self._teller = teller
        self._wait = parameters["gap_seconds"]
        self._together = int(parameters["together"])
        self._days = parameters["rhythm_days"]
        self._patience = parameters["patience"]

    def alarm(self, state: Producer) -> float | None:
        """The first moment at which there may be something to say."""
        if not state.heard:
            return None
        if state.told:
            moment = state.heard if state.heard > state.told else None
        elif state.interval:
            moment = self._baseline(state) + patience(state.interval)
        elif state.heard - state.since >= self._days * DAY:
            moment = max(self._baseline(state) + SHORTEST, state.check)
        else:
            moment = None
        if state.gap:
            moment = state.gap if moment is None else min(moment, state.gap)
        return moment

    def wake(self, state: Producer, entity: Entity, watch: Watch[Producer], facts: Facts) -> Sequence[Finding]:
        """The moment has come."""
        found: list[Finding] = []
        if state.gap and state.gap <= watch.at:
            found += self._gaps(state, entity, watch.at, facts)
        if state.told:
            if state.heard > state.told:
                found += self._returned(state, entity, watch, facts)
        elif self._too_long(state, watch):
            found += self._silent(state, entity, watch, facts)
        return found

    def due(self, state: Producer) -> float | None:
        """From when on the present silence is too long."""
        if state.interval:
            return self._baseline(state) + patience(state.interval)
        if state.heard - state.since < self._days * DAY:
            return None
        found = state.rhythm.too_long(self._baseline(state), self._patience)
        return max(found.at, self._baseline(state) + SHORTEST) if found is not None else None

    def _too_long(self, state: Producer, watch: Watch[Producer]) -> bool:
        if watch.since > state.heard:
            state.excused = max(state.excused, watch.since)
        moment = self.due(state)
        if moment is None:
            state.check = watch.at + HOUR
            return False
        if moment > watch.at:
            state.check = moment
            return False
        return True

    def _silent(self, state: Producer, entity: Entity, watch: Watch[Producer], facts: Facts) -> Sequence[Finding]:
        at = watch.at
        planned = maintenance(state, at, facts)
        if planned is not None:
            # Whoever should be back when the maintenance ends gets as long as ever after that.
            state.excused = planned
            return NOTHING
        if not state.active:
            state.told = at
            return [self._teller.stopped(of_producer(entity, state.servers, facts), state.heard, at)]
        if state.interval:
            others = self._with_it(state, watch, facts)
            if len(others) >= self._together:
                return self._all_silent(others, watch)
            expected = f"a heartbeat about every {lasting(state.interval)}"
        else:
            found = state.rhythm.too_long(self._baseline(state), self._patience)
            usual = plural(found.usual + 1 if found is not None else 1, "minute")
            expected = f"something within {usual} in the busier of these hours, as in the weeks before"
        state.told = at
        beats = state.interval > 0
        return [
            self._teller.silent(
                of_producer(entity, state.servers, facts), state.heard, at, expected=expected, beats=beats
            )
        ]

    def _with_it(self, state: Producer, watch: Watch[Producer], facts: Facts) -> list[Other[Producer]]:
        """All that fell silent within the same interval, this one among them."""
        return [
            other
            for other in watch.others()
            if (one := other.state) is state
            or (
                not one.told
                and one.interval
                and one.active
                and watch.at - max(self._baseline(one), watch.since) >= patience(one.interval) - one.interval - SLACK
                and maintenance(one, watch.at, facts) is None
            )
        ]

    def _all_silent(self, others: Sequence[Other[Producer]], watch: Watch[Producer]) -> list[Finding]:
        servers: set[str] = set()
        for other in others:
            watch.change(other)
            other.state.told = other.state.group = watch.at
            servers |= other.state.servers
        names = sorted(other.entity.names.get("producer", "") for other in others)
        heard = min(other.state.heard for other in others)
        return [self._teller.silent_together(of_several(servers), names, heard, watch.at)]

    def _returned(self, state: Producer, entity: Entity, watch: Watch[Producer], facts: Facts) -> Sequence[Finding]:
        told, group = state.told, state.group
        state.told = state.group = 0.0
        if not group:
            return [self._teller.heard_again(of_producer(entity, state.servers, facts), told, state.heard)]
        if any(other.state.group == group for other in watch.others()):
            return NOTHING
        return [self._teller.heard_together(of_several(), group, state.heard)]

    def _gaps(self, state: Producer, entity: Entity, at: float, facts: Facts) -> list[Finding]:
        """Tell of the numbers that did not come within the time that they may take."""
        new: dict[int, tuple[int, str]] = {}
        opened: list[float] = []
        for name, run in sorted(state.runs.items()):
            running = run.numbers.running()
            for span, count in run.numbers.overdue(at - self._wait + 0.001):
                span.told = True
                if running:
                    hour = int(span.opened) // HOUR
                    known, _ = new.get(hour, (0, ""))
                    last = span.low - 1
                    lately = f"{span.low - count:,} to {last:,}" if count > 1 else f"{last:,}"
                    new[hour] = known + count, f"{lately} of run {name[:16] or '-'}"
            still = run.numbers.first_open()
            if still is not None:
                opened.append(still)
        state.gap = min(opened) + self._wait if opened else 0.0
        found = []
        for hour, (count, lately) in sorted(new.items()):
            lost = state.lost.setdefault(hour, Lost())
            lost.told += count
            found.append(
                self._teller.missing(
                    of_producer(entity, state.servers, facts), hour, lost.rounds, lost.told, lately, at
                )
            )
        return found

    def _baseline(self, state: Producer) -> float:
        return max(state.heard, state.excused)


def patience(interval: float) -> float:
    """Seconds without a heartbeat after which a producer is silent."""
    return max(LEAST, BEATS * interval + SLACK)


def maintenance(state: Producer, at: float, facts: Facts) -> float | None:
    """Until when the servers of a producer are under maintenance, None where none is planned."""
    if not facts.directory.windows:
        return None
    ends = []
    for server in sorted(state.servers) or [""]:
        known = facts.server(server)
        tenant = known.tenant if known is not None else None
        window = facts.window("maintenance", at, server=server, tenant=tenant)
        if window is not None:
            ends.append(window.until.timestamp())
    return max(ends, default=None)
