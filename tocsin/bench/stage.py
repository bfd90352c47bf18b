"""The detect stage alone: what an event costs and what principals hold, with few and with very many of them.

Events are decoded beforehand; everything else that the detect task does to a frame of events is measured: duplicates,
marks, look-ups, folds, settling of closed cells, packing of the quiet. Of a million principals, 2 % make nine tenths of
the events and the rest is spread over all. Where there are few, all were seen a day and a half before, so that their
states rest; where there are very many, two hours before, when they take the most. What that left to settle is done. The
first quarter of the events wakes those who work now and is not measured. Snapshots are made all the while, as by the
detect task; what their slices cost is told apart.
"""

import gc
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from detectors.discovery import load_detector
from detectors.engine.draft import Draft
from detectors.engine.engine import Engine
from stream.finding import Finding
from stream.frame import Frame, Header, Record
from tocsin_audit.event import AuditEvent

T = TypeVar("T")

CORE: Final = ("cross_tenant", "data_volume", "failed_auth")
"""The detectors that DESIGN §8's figures are about."""
START: Final = 1_793_577_600.0
FRAME: Final = 500
RATE: Final = 2_000.0
"""Events a second of the log's clock."""
TENANTS: Final = 200
SERVERS: Final = 12
WARM_UP_RATE: Final = 20_000.0
FEW: Final = 20_000
"""Principals up to which all are busy."""
RESTED: Final = 33 * 3_600.0
"""Seconds after which every state has rested: an hour is held 26 hours, and going through all takes four."""
RECENT: Final = 7_300.0
APART: Final = 20.0
"""Seconds between two ticks where nothing else comes."""
SELDOM: Final = 15
"""Ticks between two snapshots where there is nothing to settle, so that they do not take most of the time."""
SAVED_EVERY: Final = 20.0
"""Seconds of the log's clock from the end of a snapshot to the next, as `snapshot_seconds` is by default."""


class Saved(NamedTuple):
    """What a snapshot cost: all its slices and the longest in seconds, and its bytes."""

    seconds: float
    pause: float
    size: int


class Saving:
    """Makes snapshots in slices between frames, as the detect task does, and throws them away.

    One begins so many seconds of the clock, or of processor time, after the end of the one before. `spent` is what all
    slices took, in seconds.
    """

    def __init__(self, engine: Engine) -> None:
        self.spent = 0.0
        self._engine = engine
        self._draft: Draft | None = None
        self._pauses: list[float] = []
        self._due = START + SAVED_EVERY, time.process_time() + SAVED_EVERY

    def go_on(self, clock: float, *, idle: bool = False) -> Saved | None:
        """A slice of the one that is being made, or the first one of the next; what it cost once it is whole."""
        draft = self._draft
        if draft is None:
            if clock >= self._due[0] or time.process_time() >= self._due[1]:
                self._draft, seconds = _timed(self._engine.draft)
                self._note(seconds)
            return None
        whole, seconds = _timed(lambda: draft.advance(idle=idle))
        self._note(seconds)
        return self._end(draft, clock) if whole else None

    def once(self, clock: float) -> Saved:
        """See to it that one is made at once."""
        if self._draft is not None:
            return self._end(self._draft, clock)
        draft, seconds = _timed(self._engine.draft)
        self._note(seconds)
        return self._end(draft, clock)

    def _end(self, draft: Draft, clock: float) -> Saved:
        rows, seconds = _timed(draft.rows)
        self._note(seconds)
        size = len(draft.meta) + sum(len(row) for row in rows.values() if row is not None)
        saved = Saved(sum(self._pauses), max(self._pauses), size)
        self._draft, self._pauses = None, []
        self._due = clock + SAVED_EVERY, time.process_time() + SAVED_EVERY
        return saved

    def _note(self, seconds: float) -> None:
        self._pauses.append(seconds)
        self.spent += seconds


def run(principals: int, events: int, names: Sequence[str]) -> dict[str, float | int | str]:
    """Fold events of so many principals and say what it cost."""
    before = resident()
    engine = Engine([load_detector(name)() for name in names])
    numbers: Counter[str | None] = Counter()
    chance = random.Random(1)  # noqa: S311  # the same traffic every time
    everybody = list(range(principals))
    chance.shuffle(everybody)
    clock = START
    warm = 0.0
    saving = Saving(engine)
    for batch in batches(everybody, chance):
        warm += fold(engine, batch, clock, numbers)[0]
        clock += FRAME / WARM_UP_RATE
        saving.go_on(clock)
    pause = RESTED if principals <= FEW else RECENT
    warm += idle(engine, clock, pause, saving)
    clock += pause
    size, count = engine.sizes()["principal"][::-1]
    resting = size / max(count, 1)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    busy = principals if principals <= FEW else principals // 50
    spent, most, findings, folded, sliced = 0.0, 0.0, 0, -events // 3, 0.0
    saved: Saved | None = None
    while folded < events:
        who = [
            everybody[chance.randrange(busy)]
            if busy == principals or chance.random() < 0.9
            else chance.randrange(principals)
            for _ in range(FRAME)
        ]
        seconds, found = fold(engine, [event(number, chance) for number in who], clock, numbers)
        if folded >= 0:
            spent += seconds
            most = max(most, seconds)
            findings += len(found)
        else:
            sliced = saving.spent
        folded += FRAME
        clock += FRAME / RATE
        saved = saving.go_on(clock) or saved
    held = resident() - before
    sliced = saving.spent - sliced
    if saved is None:
        saved = saving.once(clock)
    sizes = engine.sizes()
    return {
        "detectors": " ".join(names),
        "principals": principals,
        "us_per_event": spent / folded * 1e6,
        "us_per_event_for_snapshots": sliced / folded * 1e6,
        "us_per_new_principal": warm / principals * 1e6,
        "slowest_frame_ms": most * 1e3,
        "findings": findings,
        "idle_bytes_per_principal": resting,
        "packed_bytes_per_principal": sizes["principal"][1] / max(sizes["principal"][0], 1),
        "resident_mb": held,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6 - before,
        "snapshot_s": saved.seconds,
        "snapshot_pause_ms": saved.pause * 1e3,
        "snapshot_mb": saved.size / 1e6,
    }


def idle(engine: Engine, clock: float, seconds: float, saving: Saving) -> float:
    """Let time pass in ticks until nothing is left to settle; the seconds of processor time it took."""
    spent = 0.0
    for number in range(1, int(seconds / APART) + 1):
        nothing = tick(clock + number * APART)
        while True:
            spent += _timed(partial(engine.fold, nothing))[1]
            if engine.backlog or not number % SELDOM:
                saving.go_on(clock + number * APART, idle=True)
            if not engine.backlog:
                break
    return spent


def tick(clock: float) -> Record:
    """The frame of an idle partition."""
    return Record(0, Frame(Header(received=clock, content="tick", codec="none"), b""))


def batches(everybody: Sequence[int], chance: random.Random) -> Iterator[list[AuditEvent]]:
    """Each principal once."""
    for begin in range(0, len(everybody), FRAME):
        yield [event(number, chance) for number in everybody[begin : begin + FRAME]]


def event(number: int, chance: random.Random) -> AuditEvent:
    """One request of a principal, mostly a successful read; `time` is set when it is folded."""
    tenant = f"tenant-{number % TENANTS}"
    made = AuditEvent(
        time=0.0,
        server=f"server-{number % SERVERS}",
        method="tools/call",
        target="search",
        outcome="ok",
        auth="valid",
        user=f"https://idp.example|user-{number}",
        client=f"client-{number % 40}",
        tenant=tenant,
        token=f"k1:{number:032x}",
        source_ip=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        response_bytes=int(chance.lognormvariate(8.0, 1.2)),
        rows=int(chance.lognormvariate(2.0, 1.0)),
        resource_tenants=(tenant,),
        producer=f"producer-{number % SERVERS}",
        run="r1",
    )
    dice = chance.random()
    if dice < 0.15:
        made.method, made.target = "resources/read", f"crm://{tenant}/{chance.randrange(200)}"
    elif dice < 0.19:
        made.outcome, made.auth, made.reason, made.resource_tenants = "auth_invalid", "invalid", "bad signature", ()
        made.response_bytes = made.rows = None
    elif dice < 0.22:
        made.outcome, made.auth, made.token, made.resource_tenants = "auth_missing", "none", None, ()
        made.response_bytes = made.rows = None
    elif dice < 0.23:
        made.outcome, made.resource_tenants = "authz_denied", ()
    return made


def fold(
    engine: Engine, events: list[AuditEvent], clock: float, numbers: Counter[str | None]
) -> tuple[float, list[Finding]]:
    """Fold one frame; the seconds of processor time it took, and the findings."""
    for index, one in enumerate(events):
        one.time = one.received = clock - (index % 7)
        numbers[one.producer] += 1
        one.seq = numbers[one.producer]
    frame = Frame(Header(received=clock, count=len(events), source="bench"), b"")
    frame.decoded = events
    begin = time.process_time()
    found = engine.fold(Record(0, frame))
    return time.process_time() - begin, found


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What came of it, and the seconds of processor time it took."""
    begin = time.process_time()
    made = work()
    return made, time.process_time() - begin


def resident() -> float:
    """Megabytes that this process holds now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]), CORE)))
