"""Unusual volumes of data: bursts within minutes and hours, and slow collection over days and weeks."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, log2, sqrt
from typing import Final

from detectors.base import DATA, NOTHING, Cell, Detector, Entity, Kind, Spec, event_id
from detectors.keys import entity_of, population
from detectors.parts.baseline import NOTHING as NO_DAY
from detectors.parts.baseline import PEAKS, STABLE_DAYS, WEEK, ZERO_SHIFT, Baseline
from detectors.parts.expectation import DAILY, PEERS, Expectation
from detectors.parts.peer_movement import Group, Norm
from detectors.parts.quantised import OCTAVE, clip
from detectors.parts.season import DAY_START, HOUR_START, started, weekday
from detectors.parts.usage import (
    BYTES,
    CALLS,
    EVIDENCE,
    MEASURES,
    NEVER,
    RESOURCES,
    ROWS,
    WORD,
    WORDS,
    Hour,
    distinct,
    place,
    spots_of,
)
from detectors.parts.volume_findings import DOCUMENTATION, PARAMETERS, TECHNIQUES, Judged, Observed, finding
from stream.facts import Facts, group_id
from stream.finding import Finding, Severity
from tocsin_audit.event import AuditEvent

NAME: Final = "data_volume"
FIVE: Final = 300
HOUR: Final = 3600
DAY: Final = 86_400
MINUTES_HELD: Final = 3 * HOUR
GUARDED: Final = 7
"""Active days after which what was flagged is no longer learned; before, nothing would be."""
HOURS_HELD: Final = 26 * HOUR
WINDOW: Final = 5
"""Minutes of the short window that a burst is looked for in."""
LEVEL: Final = 4
"""Each further level of a finding means the bound times this."""
LARGEST: Final = 1 << 45
"""Bytes or rows that one answer may claim; what claims more counts as this."""
_BIT_SHIFT: Final = WORDS.bit_length() - 1


class Principal:
    """One principal: open minutes and hours, today's largest five minutes, and what was learned up to yesterday.

    `hot` is the latest minute that alone passed a fifth of its window's bound. `opening` holds the hour after the last
    day that was learned from, and the gates of that hour as they were before: events on both sides of the learning are
    judged alike.
    """

    minutes: dict[int, list[int]]
    hours: dict[int, Hour]
    hot: int
    tops: list[int]
    opening: list[int]
    closed: Baseline

    def __init__(self) -> None:
        self.minutes = {}
        self.hours = {}
        self.hot = 0
        self.tops = []
        self.opening = []
        self.closed = Baseline()


State = Principal | Group


class DataVolume(Detector[State]):
    """Flags volumes that neither the principal's own past nor its peers' present explain."""

    spec = Spec(
        name=NAME,
        version="1.0.0",
        by=("principal", "population", "tenant"),
        cells=(FIVE, HOUR, DAY),
        classes=("volume_burst", "volume_slow"),
        wants={"principal": DATA, "population": DATA, "tenant": DATA},
        parameters=PARAMETERS,
        techniques=TECHNIQUES,
        warm_up={"volume_burst": "volume", "volume_slow": "volume"},
        documentation=DOCUMENTATION,
    )

    def __init__(self, parameters: dict[str, float] | None = None) -> None:
        super().__init__(parameters)
        p = self.parameters
        self._page_floors = (p["page_calls"], p["page_bytes"], p["page_rows"], p["page_resources"])
        self._hour_floors = (p["hour_calls"], p["hour_bytes"], p["hour_rows"], p["hour_resources"])
        self._day_floors = tuple(floor * p["day_floor"] for floor in self._hour_floors)
        self._page_octaves = log2(p["page_factor"])
        self._hour_octaves = log2(p["hour_factor"])
        self._day_octaves = log2(p["day_factor"])
        self._week_octaves = log2(p["week_factor"])

    def start(self, kind: Kind) -> State:
        """An empty principal, or an empty group for the kinds that hold peers."""
        return Principal() if kind == "principal" else Group()

    def step(self, state: State, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Count one answer; a burst is told as soon as an hour or five minutes pass their frozen bound."""
        size = event.response_bytes or 0
        rows = event.rows or 0
        if not 0 <= size <= LARGEST:
            size = 0 if size < 0 else LARGEST
        if not 0 <= rows <= LARGEST:
            rows = 0 if rows < 0 else LARGEST
        minute = int(event.time) // 60
        if state.__class__ is Group:
            if not event.late:
                state.add(minute // 5, place(event.user or event.client or event.agent or ""), size, rows)
            return NOTHING
        assert isinstance(state, Principal)
        hour = minute // 60
        cell = state.hours.get(hour)
        if cell is None:
            cell = self._open(state, entity, event, hour, facts)
            if cell is None:
                return NOTHING
        elif event.client != cell.client and cell.words:
            _join(cell, event, facts)
        if event.late:
            if minute * 60 < facts.clock - MINUTES_HELD:
                minute = -1
            late = cell.late or [0, 0, 0]
            cell.late = [late[0] + 1, late[1] + size, late[2] + rows]
        counts = state.minutes.get(minute)
        if counts is None:
            counts = [0, 0, 0]
            if minute > 0:
                state.minutes[minute] = counts
        calls = counts[0] = counts[0] + 1
        sizes = counts[1] = counts[1] + size
        lines = counts[2] = counts[2] + rows
        cell.calls = hour_calls = cell.calls + 1
        cell.size = hour_size = cell.size + size
        cell.rows = hour_rows = cell.rows + rows
        quality = event.bytes_quality
        if (quality is not None and quality != "exact") or event.response_bytes is None:
            cell.unsized += 1
        words = cell.words
        if words:
            target = event.target or ""
            spot = place(event.args_hash or target)
            index = spot & (WORDS - 1)
            bit = 1 << ((spot >> _BIT_SHIFT) % WORD)
            if not words[index] & bit:
                words[index] |= bit
                cell.spots += 1
            cell.tools |= 1 << (place(target) % WORD)
        gates = cell.gates
        if hour_calls > gates[7] or size > gates[8]:
            ids = cell.ids
            if len(ids) < EVIDENCE:
                ids.append(event_id(event))
        if calls * WINDOW >= gates[4] or sizes * WINDOW >= gates[5] or lines * WINDOW >= gates[6]:
            if minute > state.hot:
                state.hot = minute
        elif (
            hour_calls < gates[0]
            and hour_size < gates[1]
            and hour_rows < gates[2]
            and cell.spots < gates[3]
            and state.hot < minute - WINDOW
        ):
            return NOTHING
        return self._burst(state, entity, event, hour, minute, facts)

    def settle(self, state: State, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        """Judge the hour that ends with five minutes, the 24 hours that end with an hour, and the week with a day."""
        if isinstance(state, Group):
            if cell.seconds == FIVE:
                state.settle_five(cell.start // FIVE)
            elif cell.seconds == HOUR:
                state.settle_hour(cell.start // HOUR)
            else:
                state.settle_day(cell.start // DAY)
            return NOTHING
        if cell.seconds == FIVE:
            return self._settle_five(state, entity, cell, facts)
        if cell.seconds == HOUR:
            return self._settle_hour(state, entity, cell, facts)
        return self._settle_day(state, entity, cell, facts)

    def summary(self, state: State, entity: Entity, cell: Cell) -> tuple[int, ...] | None:  # noqa: ARG002  # the state says which cell it was
        """How a group's members moved (count and octaves/256 for calls and bytes), or after a day what is usual."""
        return tuple(state.told) if isinstance(state, Group) and state.told else None

    def merge(self, state: State, partial: State, entity: Entity, facts: Facts) -> Sequence[Finding]:  # noqa: ARG002  # groups find nothing
        """Add what another worker counted of a group."""
        assert isinstance(state, Group)
        assert isinstance(partial, Group)
        state.merge(partial)
        return NOTHING

    def rest(self, state: State, clock: float) -> None:
        """Drop the open cells that no late event can reach any more."""
        if isinstance(state, Principal):
            _drop(state, clock)
            if not state.hours:
                state.opening = []
                state.hot = 0

    # Bursts, while the hour is open.

    def _open(self, state: Principal, entity: Entity, event: AuditEvent, hour: int, facts: Facts) -> Hour | None:
        if hour * HOUR < facts.clock - HOURS_HELD:
            return None
        _drop(state, facts.clock)
        opening = state.opening
        gates = list(opening[1:]) if opening and hour <= opening[0] else self._gates(state, entity, hour, facts)
        cell = state.hours[hour] = Hour(gates)
        _join(cell, event, facts)
        return cell

    def _gates(self, state: Principal, entity: Entity, hour: int, facts: Facts) -> list[int]:
        """Amounts beyond which an hour (4), five minutes (3) are bursts, and from which on evidence is kept (2)."""
        own = state.closed
        expected = self._expectation(own, entity, (hour * HOUR - HOUR) // DAY - 1, facts)
        busy = self.parameters["busy_factor"] if _busy(entity, hour, facts) else 1.0
        gates: list[int] = []
        for index in range(MEASURES):
            above = max(self._page_octaves, expected.reach(index, self.parameters["page_spread"]))
            bound = max(expected.hour_amount(index, hour, above), 2 * 2 ** (own.top[index] / OCTAVE))
            bound = max(bound, self._page_floors[index]) * busy
            gates.append(spots_of(bound) if index == RESOURCES else ceil(min(bound, NEVER)))
        factor = self.parameters["page_factor"]
        for index in (CALLS, BYTES, ROWS):
            if own.top[index] and own.days >= 3:
                short = max(factor * 2 ** (own.top[index] / OCTAVE), self._page_floors[index]) * busy
                gates.append(ceil(min(short, gates[index])))
            else:
                gates.append(gates[index])
        gates.append(ceil(2 * 2 ** min(40.0, expected.typical[CALLS])))
        gates.append(ceil(2 ** min(40.0, expected.typical[BYTES])))
        return gates

    def _burst(
        self, state: Principal, entity: Entity, event: AuditEvent, hour: int, minute: int, facts: Facts
    ) -> Sequence[Finding]:
        findings: list[Finding] = []
        windows = [minute] if minute < 0 else range(minute, minute + WINDOW)
        for at in {hour, *(end // 60 for end in windows if end in state.minutes)}:
            cell = state.hours.get(at)
            if cell is None:
                continue
            observed = self._passed(state, cell, at, windows)
            while observed is not None:
                cell.told += 1
                basis = self._expectation(state.closed, entity, (at * HOUR - HOUR) // DAY - 1, facts)
                findings.append(self._told(entity, event, cell, at, observed, basis))
                cell.gates[:4] = [min(NEVER, gate * LEVEL) for gate in cell.gates[:4]]
                observed = self._passed(state, cell, at, windows)
        return findings

    def _passed(self, state: Principal, cell: Hour, hour: int, windows: Sequence[int]) -> Observed | None:
        gates = cell.gates
        amounts = (cell.calls, cell.size, cell.rows, cell.spots)
        for index in (ROWS, CALLS, BYTES, RESOURCES):
            if amounts[index] >= gates[index]:
                amount = distinct(cell.spots) if index == RESOURCES else amounts[index]
                bound = distinct(gates[index]) if index == RESOURCES else gates[index]
                return Observed(index, amount, bound, hour * HOUR, HOUR)
        for end in windows:
            if end // 60 != hour or end not in state.minutes:
                continue
            for index in (ROWS, CALLS, BYTES):
                total = sum(
                    counts[index] for at in range(end - WINDOW + 1, end + 1) if (counts := state.minutes.get(at))
                )
                bound = gates[4 + index] * LEVEL**cell.told
                if total >= bound:
                    return Observed(index, total, bound, (end - WINDOW + 1) * 60, WINDOW * 60)
        return None

    def _told(
        self, entity: Entity, event: AuditEvent, cell: Hour, hour: int, observed: Observed, basis: Expectation
    ) -> Finding:
        ids = cell.ids if event_id(event) in cell.ids else [*cell.ids[: EVIDENCE - 1], event_id(event)]
        return finding(
            self.spec,
            entity,
            Judged("volume_burst", hour, cell.told, "high", observed, basis, 0.0, 0),
            time=event.time,
            ids=ids,
            count=cell.calls,
            late=event.late,
            tools=cell.tools.bit_count(),
            unsized=cell.unsized,
        )

    # Closed cells.

    def _settle_five(self, state: Principal, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        last = cell.end // 60 - 1
        minutes = state.minutes
        totals = [0, 0, 0]
        five = [0, 0, 0]
        for at in range(last - 59, last + 1):
            counts = minutes.get(at)
            if counts is not None:
                totals[0] += counts[0]
                totals[1] += counts[1]
                totals[2] += counts[2]
                if at > last - 5:
                    five[0] += counts[0]
                    five[1] += counts[1]
                    five[2] += counts[2]
        hour = last // 60
        open_hour = state.hours.get(hour)
        if open_hour is None:
            return NOTHING
        if not open_hour.told:
            state.tops = [max(pair) for pair in zip(state.tops, five, strict=True)] if state.tops else five
        amounts = (*totals, min(totals[0], distinct(open_hour.spots)))
        if all(amount < floor for amount, floor in zip(amounts, self._hour_floors, strict=True)):
            return NOTHING
        expected = self._expectation(state.closed, entity, (hour * HOUR - HOUR) // DAY - 1, facts)
        moved = self._moved(state.closed, entity, FIVE, cell.start, facts)
        share = (last % 60 + 1) / 60
        season = max(expected.hour(hour), share * expected.hour(hour) + (1 - share) * expected.hour(hour - 1))
        busy = _busy(entity, hour, facts)
        scores: list[tuple[float, float, int]] = []
        paged: list[tuple[float, float, int]] = []
        for index in range(MEASURES):
            typical = 2 ** expected.typical[index]
            residual = started(amounts[index], typical, HOUR_START) - season - moved.octaves(index)
            score = (residual - expected.crest[index]) / expected.crest_spread[index]
            if amounts[index] >= self._hour_floors[index]:
                scores.append((score, residual, index))
            if amounts[index] >= self._page_floors[index]:
                paged.append((score, residual, index))
        p = self.parameters
        best = _decide(scores, self._hour_octaves, p["hour_spread"], p["hour_spread_joint"])
        if best is None or (busy and best[1] < log2(p["busy_factor"]) + self._hour_octaves):
            return NOTHING
        level = 0
        if not busy and _decide(paged, self._page_octaves, p["page_spread"], p["page_spread"]) is not None:
            level = 1
        open_hour.flagged = 1
        previous = state.hours.get(hour - 1)
        if previous is not None and share < 1:
            previous.flagged = 1
        index = best[2]
        bound = 2 ** expected.typical[index] * max(
            0.0,
            2 ** (season + moved.octaves(index) + max(self._hour_octaves, expected.reach(index, p["hour_spread"])))
            - HOUR_START,
        )
        observed = Observed(index, amounts[index], bound, cell.end - HOUR, HOUR)
        return (
            finding(
                self.spec,
                entity,
                Judged(
                    "volume_burst",
                    hour,
                    level,
                    "high" if level else "medium",
                    observed,
                    expected,
                    moved.octaves(index),
                    moved.members,
                ),
                time=cell.end,
                ids=open_hour.ids,
                count=totals[0],
                tools=open_hour.tools.bit_count(),
                unsized=open_hour.unsized,
            ),
        )

    def _settle_hour(self, state: Principal, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        hour = cell.start // HOUR
        closing = state.hours.get(hour)
        if closing is not None:
            closing.close()
        totals = [0, 0, 0, 0]
        for at in range(hour - 23, hour + 1):
            known = state.hours.get(at)
            if known is not None:
                for index, amount in enumerate(known.amounts()):
                    totals[index] += amount
        if all(amount < floor for amount, floor in zip(totals, self._day_floors, strict=True)):
            return NOTHING
        own = state.closed
        expected = self._expectation(own, entity, (cell.start - HOUR) // DAY - 1, facts)
        moved = self._moved(own, entity, HOUR, cell.start, facts)
        share = expected.trailing_day(hour)
        scores: list[tuple[float, float, int]] = []
        for index in range(MEASURES):
            if totals[index] >= self._day_floors[index]:
                typical = 2 ** expected.daily[index] * share
                residual = started(totals[index], typical, DAY_START) - log2(1 + DAY_START) - moved.octaves(index)
                scores.append((residual / expected.spread_daily[index], residual, index))
        p = self.parameters
        best = _decide(scores, self._day_octaves, p["day_spread"], p["day_spread_joint"])
        if best is None or (_busy(entity, hour, facts) and best[1] < log2(p["busy_factor"])):
            return NOTHING
        for at in range(hour - 23, hour + 1):
            known = state.hours.get(at)
            if known is not None:
                known.flagged |= 2
        index = best[2]
        above = max(self._day_octaves, p["day_spread"] * expected.spread_daily[index]) + moved.octaves(index)
        bound = 2 ** (expected.daily[index] + above) * share
        severity: Severity = "medium" if own.flagged_days < 3 else "low"
        return (
            finding(
                self.spec,
                entity,
                Judged(
                    "volume_slow",
                    hour // 24,
                    0,
                    severity,
                    Observed(index, totals[index], bound, cell.end - DAY, DAY),
                    expected,
                    moved.octaves(index),
                    moved.members,
                ),
                time=cell.end,
                ids=[],
                count=totals[0],
                tools=0,
                unsized=0,
            ),
        )

    def _settle_day(self, state: Principal, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        day = cell.start // DAY
        own = state.closed
        gates = self._gates(state, entity, (day + 1) * 24, facts)
        state.opening = [(day + 1) * 24, *gates]
        cells = {hour: known for hour in range(day * 24, day * 24 + 24) if (known := state.hours.get(hour)) is not None}
        if not cells:
            return NOTHING
        groups = [known.group for known in cells.values() if known.group]
        if groups:
            own.group = min(groups)
        moved = self._moved(own, entity, HOUR, day * DAY + 23 * HOUR, facts)
        findings = self._learn(state, entity, day, cells, moved, facts)
        state.tops = []
        return findings

    def _learn(
        self, state: Principal, entity: Entity, day: int, cells: dict[int, Hour], moved: "Moved", facts: Facts
    ) -> Sequence[Finding]:
        own = state.closed
        if not own.first:
            own.first = day
        self._idle_days(own, day)
        expected = self._expectation(own, entity, day - 1, facts)
        slow = any(known.flagged & 2 for known in cells.values())
        amounts = {hour: known.learnable() for hour, known in cells.items()}
        totals = [sum(column) for column in zip(*amounts.values(), strict=True)]
        guarded = own.days >= GUARDED
        samples: list[list[float]] = [[] for _ in range(MEASURES)]
        crests: list[float | None] = [None] * MEASURES
        shape: list[float | None] = [-1.0] * 24
        for hour, known in cells.items():
            logs = [
                started(amount, 2 ** expected.typical[index], HOUR_START) if amount > 0 else None
                for index, amount in enumerate(amounts[hour])
            ]
            if known.told or known.flagged & 1:
                self._remember(own, hour, max((value for value in logs if value is not None), default=0.0))
                if guarded:
                    shape[hour % 24] = None
                    continue
            season = expected.hour(hour)
            for index, value in enumerate(logs):
                if value is not None:
                    samples[index].append(log2(amounts[hour][index]))
                    crest = crests[index]
                    crests[index] = value - season if crest is None else max(crest, value - season)
            both = [value for value in (logs[CALLS], logs[BYTES]) if value is not None]
            if both:
                shape[hour % 24] = sum(both) / len(both)
        slow = slow and guarded
        day_logs: list[float] = []
        distances: list[float] = []
        for index, total in enumerate(totals):
            if total > 0:
                value = log2(total)
                if index in (CALLS, BYTES):
                    day_logs.append(started(total, 2 ** expected.daily[index], DAY_START))
                    if own.reference[index]:
                        distances.append(value - own.reference[index] / OCTAVE - moved.octaves(index))
                if not slow:
                    residual = (
                        started(total, 2 ** expected.daily[index], DAY_START)
                        - log2(1 + DAY_START)
                        - moved.octaves(index)
                        - expected.day(day)
                    )
                    own.learn_total(day, index, value - max(-1.0, expected.day(day)), residual)
        typical_day = sum(day_logs) / len(day_logs) if day_logs and not slow else None
        if not slow:
            own.learn_hours(day, samples, crests)
            for index, top in enumerate(state.tops):
                if top > 0:
                    own.learn_top(index, round(log2(top) * OCTAVE))
            own.hours = min(60_000, own.hours + len(cells))
        own.season.learn(day, shape, typical_day, own.learned)
        own.days = min(60_000, own.days + 1)
        own.learned = min(255, own.learned + 1)
        own.last = day
        unsized = sum(known.unsized for known in cells.values()) / max(1, totals[CALLS])
        own.unsized = round(own.unsized + (min(1.0, unsized) * 255 - own.unsized) / 4)
        self._shift(own, slow, distances)
        return self._week(own, entity, day, distances, expected, moved)

    def _idle_days(self, own: Baseline, day: int) -> None:
        """The days since the last active one: few are a weekend and belong to the season, many an absence."""
        gap = day - own.last - 1 if own.last else 0
        for back in range(min(gap, WEEK)):
            own.week = [*own.week[1:], NO_DAY]
            if gap <= 3:
                own.season.learn(day - gap + back, [-1.0] * 24, -2.0, own.learned)
                own.learned = min(255, own.learned + 1)

    def _remember(self, own: Baseline, hour: int, value: float) -> None:
        """Remember a flagged hour, of the week and of the day: what recurs is expected, at the lowest that was seen."""
        height = int(clip(round(value * 16), 0, 255))
        for slot in (weekday(hour // 24) * 24 + hour % 24, DAILY + hour % 24):
            peak = next((peak for peak in own.peaks if peak[0] == slot), None)
            if peak is not None:
                peak[1] = min(peak[1], height) if peak[2] == 1 else max(peak[1], min(height, peak[1] + 8))
                peak[2] = min(255, peak[2] + 1)
                continue
            if len(own.peaks) >= PEAKS:
                own.peaks.remove(min(own.peaks, key=lambda peak: (peak[2], peak[1])))
            own.peaks.append([slot, height, 1])

    def _shift(self, own: Baseline, slow: bool, distances: list[float]) -> None:
        """Days at a new level: after a fortnight of them that agree, the level is accepted."""
        if not slow or not distances:
            own.flagged_days = max(0, own.flagged_days - 1) if not slow else own.flagged_days
            own.shift_days = max(0, own.shift_days - 2)
            return
        own.flagged_days = min(15, own.flagged_days + 1)
        level = sum(distances) / len(distances)
        candidate = (own.shift - ZERO_SHIFT) / 16
        if own.shift_days == 0 or abs(level - candidate) > 1.0:
            own.shift, own.shift_days = int(clip(ZERO_SHIFT + level * 16, 0, 255)), 1
            return
        own.shift_days = min(STABLE_DAYS, own.shift_days + 1)
        own.shift = int(clip(own.shift + (level - candidate) * 16 / own.shift_days, 0, 255))
        if own.shift_days >= STABLE_DAYS:
            own.accept((own.shift - ZERO_SHIFT) / 16)

    def _week(
        self, own: Baseline, entity: Entity, day: int, distances: list[float], expected: Expectation, moved: "Moved"
    ) -> Sequence[Finding]:
        distance = sum(distances) / len(distances) - expected.day(day) if distances else None
        ring = NO_DAY if distance is None else int(clip(round(distance * 16), -120, 120))
        own.week = [*own.week[1:], ring]
        known = [value / 16 for value in own.week if value != NO_DAY]
        if own.days < STABLE_DAYS or len(known) < 4:
            return NOTHING
        mean = sum(known) / len(known)
        spread = min(own.spread_daily[CALLS], own.spread_daily[BYTES]) / 32
        need = max(self._week_octaves, self.parameters["week_spread"] * spread / sqrt(len(known)))
        if mean < need:
            return NOTHING
        normal = 2 ** (own.reference[CALLS] / OCTAVE)
        return (
            finding(
                self.spec,
                entity,
                Judged(
                    "volume_slow",
                    day // WEEK,
                    1,
                    "medium" if own.flagged_days < 3 else "low",
                    Observed(
                        CALLS, normal * 2**mean * len(known), normal * 2**need * len(known), (day - 6) * DAY, WEEK * DAY
                    ),
                    expected,
                    moved.octaves(CALLS),
                    moved.members,
                ),
                time=(day + 1) * DAY,
                ids=[],
                count=len(known),
                tools=0,
                unsized=0,
            ),
        )

    # What others say.

    def _expectation(self, own: Baseline, entity: Entity, day: int, facts: Facts) -> Expectation:
        return Expectation(own, *_norm(own, entity, day, facts))

    def _moved(self, own: Baseline, entity: Entity, seconds: int, start: int, facts: Facts) -> "Moved":
        best = _UNMOVED
        for group in (own.group, _tenant_group(entity)):
            summary = facts.peers(NAME, group, seconds, start) if group else None
            if summary is None or summary.start != start:
                continue
            moved = Moved(summary.values)
            if moved.members >= 5:
                return moved
            if moved.members > max(1, best.members):
                best = moved
        return best


class Moved:
    """How a group moved in the window: members that were looked at, and octaves of calls and bytes."""

    __slots__ = ("_octaves", "members")

    def __init__(self, values: Sequence[int]) -> None:
        self.members = values[0]
        calls = values[1] / OCTAVE * values[0] / (values[0] + 1)
        sizes = values[3] / OCTAVE * values[2] / (values[2] + 1)
        self._octaves = (calls, sizes, max(calls, sizes), calls)

    def octaves(self, index: int) -> float:
        """The movement of one measure."""
        return self._octaves[index]


_UNMOVED: Final = Moved((0, 0, 0, 0))


def _decide(
    scores: Sequence[tuple[float, float, int]], octaves: float, alone: float, joint: float
) -> tuple[float, float, int] | None:
    """The strongest measure, where it is far enough out alone, or where two agree on less."""
    far = sorted((item for item in scores if item[1] >= octaves), reverse=True)
    if far and (far[0][0] >= alone or (len(far) > 1 and far[1][0] >= joint)):
        return far[0]
    return None


def _join(cell: Hour, event: AuditEvent, facts: Facts) -> None:
    cell.client = event.client or ""
    raw = population(event, facts)
    if raw is not None:
        group = group_id(entity_of("population", raw, facts).key)
        cell.group = min(cell.group, group) if cell.group else group


def _drop(state: Principal, clock: float) -> None:
    oldest = int(clock - MINUTES_HELD) // 60
    for minute in [minute for minute in state.minutes if minute < oldest]:
        del state.minutes[minute]
    oldest = int(clock - HOURS_HELD) // HOUR
    for hour in [hour for hour in state.hours if hour < oldest]:
        del state.hours[hour]


def _busy(entity: Entity, hour: int, facts: Facts) -> bool:
    """Whether the directory announced a busy time that touches this hour."""
    return any(
        window.kind == "busy"
        and window.tenant in (None, entity.tenant)
        and window.from_.timestamp() < (hour + 1) * HOUR
        and window.until.timestamp() > hour * HOUR
        for window in facts.directory.windows
    )


@lru_cache(maxsize=4096)
def _tenant_id(tenant: str, kind: str) -> int:
    return group_id(entity_of(kind, tenant, Facts()).key)


def _tenant_group(entity: Entity) -> int:
    return _tenant_id(entity.tenant, "tenant") if entity.tenant is not None else 0


@lru_cache(maxsize=1024)
def _norm_of(values: tuple[int, ...]) -> Norm:
    return Norm(values)


def _norm(own: Baseline, entity: Entity, day: int, facts: Facts) -> tuple[Norm | None, bool]:
    """The norm of the principal's group, else of its tenant, as of a day that had closed for every order of arrival.

    True goes with the group's: its members are alike, so that their season stands for the principal's too.
    """
    for group, alike in ((own.group, True), (_tenant_group(entity), False)):
        summary = facts.peers(NAME, group, DAY, day * DAY) if group else None
        if summary is not None:
            norm = _norm_of(summary.values)
            if norm.warm >= PEERS:
                return norm, alike
    return None, False


DETECTOR: Final = DataVolume
