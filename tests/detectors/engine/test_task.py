"""The detect task appends each output once, in order, whatever ends it and however often the log fails."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.engine.engine import Engine
from detectors.engine.task import TASK, DetectTask
from stream.errors import StorageError
from stream.finding import DECODER, Finding
from stream.frame import Frame, Record, unpack
from stream.log import EVENTS, FINDINGS, Log, Snapshot, Stream
from stream.sqlite import SqliteLog, open_log
from tests.detectors.reference import Reference
from tests.detectors.streams import event, failure, frames, tick

Output = tuple[int, str, tuple[tuple[str, str], ...]]
"""Of an output: the frame it came of, what it is, and id and severity of its findings."""


def story() -> list[Frame]:
    """Ordinary work with two bursts of failures, an idle stretch and ticks."""
    events = [event(t / 2, user="u") for t in range(40)]
    events += [failure(5 + t / 10, user="victim") for t in range(30)]
    events += [failure(150 + t, user="other") for t in range(12)]
    events += [failure(200 + t, user=f"guest{t % 4}") for t in range(60)]
    ticks = [tick(21 + second) for second in range(0, 120, 7)]
    listed = [*frames(events), *ticks]
    return [record.frame for record in sorted(listed, key=lambda record: record.frame.header.received)]


def engine() -> Engine:
    return Engine([Reference()])


def findings_of(frame: Frame) -> list[Finding]:
    return DECODER.decode_lines(unpack(frame)) if frame.header.content == "findings" else []


def outputs(log: Log) -> list[Output]:
    found: list[Output] = []
    position = 0
    while records := log.read(FINDINGS, position):
        for record in records:
            origin = record.frame.header.origin
            assert origin is not None
            assert (origin.task, origin.partition) == (TASK, 0)
            told = tuple((one.id, one.severity) for one in findings_of(record.frame))
            found.append((origin.offset, record.frame.header.content, told))
        position = records[-1].offset + 1
    return found


def findings(log: Log) -> list[Output]:
    return [output for output in outputs(log) if output[1] == "findings"]


def drained(task: DetectTask, limit: int = 64) -> None:
    while task.advance(wait=0.0, limit=limit):
        pass


def fill(log: Log, story: Sequence[Frame]) -> None:
    for future in [log.append(EVENTS, frame) for frame in story]:
        future.result(10)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with open_log(tmp_path / "data", reserve_bytes=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Output]:
    """The findings of a run without interruption."""
    with open_log(tmp_path_factory.mktemp("undisturbed"), reserve_bytes=0) as log:
        fill(log, story())
        drained(DetectTask(log, engine()))
        found = findings(log)
    assert len(found) >= 4
    return found


class Failing:
    """A log on which some appends fail; `lost` says that the frame is there all the same."""

    def __init__(self, log: SqliteLog, *, lost: bool = False) -> None:
        self.failing = 0
        self.reads = 0
        self._log = log
        self._lost = lost

    def append(self, stream: Stream, frame: Frame) -> Future[int]:
        if stream != FINDINGS or not self.failing:
            return self._log.append(stream, frame)
        self.failing -= 1
        if self._lost:
            self._log.append(stream, frame).result(10)
        future: Future[int] = Future()
        future.set_exception(StorageError("the disk is full", where="findings.sqlite"))
        return future

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> Sequence[Record]:
        self.reads += stream == EVENTS
        return self._log.read(stream, position, limit=limit, wait=wait)

    def save(self, snapshot: Snapshot) -> None:
        self._log.save(snapshot)

    def load(self, task: str) -> Snapshot | None:
        return self._log.load(task)


class Hearing:
    """Remembers which frames it heard of."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def folded(self, record: Record, findings: Sequence[Finding]) -> None:
        self.heard.append(record.offset)


def test_outputs_stand_in_the_order_of_what_they_came_of(log: SqliteLog, undisturbed: list[Output]) -> None:
    fill(log, story())
    drained(DetectTask(log, engine()), limit=3)
    assert findings(log) == undisturbed
    offsets = [output[0] for output in outputs(log)]
    assert offsets == sorted(set(offsets)), "one output a frame at most"


@settings(max_examples=10)
@example([(1, 6, False, False, False), (1, 1, True, False, False)])
@example([(9, 5, False, True, True), (9, 2, False, True, True)])
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(1, 7), st.booleans(), st.booleans(), st.booleans()),
        min_size=1,
        max_size=5,
    ),
)
def test_however_often_it_ends_each_finding_is_appended_once(
    undisturbed: list[Output], lives: list[tuple[int, int, bool, bool, bool]]
) -> None:
    with TemporaryDirectory() as folder:
        with open_log(Path(folder), reserve_bytes=0) as log:
            fill(log, story())
        for turns, limit, saves, flushes, meanwhile in lives:
            with open_log(Path(folder), reserve_bytes=0) as log:
                task = DetectTask(log, engine())
                for _ in range(turns):
                    task.advance(wait=0.0, limit=limit)
                    if meanwhile:
                        task.begin_save()
                if saves:
                    task.save()
                    task.advance(wait=0.0, limit=limit)
                if flushes:
                    task.flush()
        with open_log(Path(folder), reserve_bytes=0) as log:
            drained(DetectTask(log, engine()))
            assert findings(log) == undisturbed


def test_what_is_known_is_folded_again_in_silence(log: SqliteLog, undisturbed: list[Output]) -> None:
    fill(log, story())
    drained(DetectTask(log, engine()))
    before = outputs(log)
    hearing = Hearing()
    again = DetectTask(log, engine(), observer=hearing)
    assert (again.position, again.replaying) == (0, True)
    drained(again)
    assert not again.replaying
    assert outputs(log)[: len(before)] == before
    assert findings(log) == undisturbed
    assert all(offset > before[-1][0] for offset in hearing.heard)


def test_a_snapshot_is_gone_on_from_and_one_of_another_version_is_not(
    log: SqliteLog, undisturbed: list[Output]
) -> None:
    fill(log, story())
    task = DetectTask(log, engine())
    task.advance(wait=0.0, limit=30)
    task.save()
    restored = DetectTask(log, engine())
    assert restored.position == task.position == 30
    newer = engine()
    newer.version += 1
    from_the_start = DetectTask(log, newer)
    assert from_the_start.position == 0
    drained(from_the_start)
    assert findings(log) == undisturbed


def test_a_save_waits_until_its_outputs_are_durable(log: SqliteLog) -> None:
    fill(log, story())
    failing = Failing(log)
    task = DetectTask(failing, engine())
    failing.failing = 1
    task.advance(wait=0.0, limit=64)
    with pytest.raises(StorageError):
        task.save()
    assert (task.position, task.settled) == (64, 0)
    assert log.load(TASK) is None
    task.save()
    snapshot = log.load(TASK)
    assert snapshot is not None
    assert snapshot.position == task.position == task.settled


@pytest.mark.parametrize("times", [1, 2, 5])
def test_an_append_that_fails_is_tried_again_before_anything_else_is_read(
    log: SqliteLog, undisturbed: list[Output], times: int
) -> None:
    fill(log, story())
    failing = Failing(log)
    task = DetectTask(failing, engine())
    for _ in range(4):
        task.advance(wait=0.0, limit=5)
    failing.failing = times
    failed = 0
    busy = True
    while busy:
        reads = failing.reads
        try:
            busy = bool(task.advance(wait=0.0, limit=5))
        except StorageError:
            failed += 1
            assert failing.reads == reads
    assert failed == times
    assert findings(log) == undisturbed


def test_an_output_that_was_durable_though_it_failed_is_recognised_by_its_origin(
    log: SqliteLog, undisturbed: list[Output]
) -> None:
    fill(log, story())
    failing = Failing(log, lost=True)
    task = DetectTask(failing, engine())
    failing.failing = 1
    busy = True
    while busy:
        try:
            busy = bool(task.advance(wait=0.0))
        except StorageError:
            busy = True
    found = outputs(log)
    assert len(found) > len(set(found)), "the log has it twice"
    assert [output for output in dict.fromkeys(found) if output[1] == "findings"] == undisturbed
    offsets = [output[0] for output in found]
    assert offsets == sorted(offsets), "so that a mark is enough to drop the second"


def test_time_goes_on_downstream_at_most_once_a_second_and_once_a_batch(log: SqliteLog) -> None:
    fill(log, [tick(second / 4).frame for second in range(40)])
    live = DetectTask(log, engine())
    drained(live, limit=1)
    clocks = [record.frame.header.received for record in log.read(FINDINGS, 0)]
    assert all(later - earlier >= 1 for earlier, later in pairwise(clocks))
    assert len(clocks) == 10
    fill(log, [tick(10 + second).frame for second in range(60)])
    live.advance(wait=0.0, limit=64)
    live.flush()
    assert len(log.read(FINDINGS, 0)) == 11, "one for all that was read at once"


def test_what_came_of_imported_history_says_so(log: SqliteLog) -> None:
    fill(log, [record.frame for record in frames([failure(t, user="u") for t in range(8)], imported=True)])
    drained(DetectTask(log, engine()))
    told = [record.frame for record in log.read(FINDINGS, 0) if record.frame.header.content == "findings"]
    assert told
    assert all(frame.header.imported for frame in told)
    assert {one.mode for frame in told for one in findings_of(frame)} == {"observe"}


class Unsaving(Failing):
    """A log that cannot keep the next snapshots."""

    def __init__(self, log: SqliteLog, refusals: int) -> None:
        super().__init__(log)
        self.refusals = refusals

    def save(self, snapshot: Snapshot) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StorageError("the disk is full", where="state.sqlite")
        super().save(snapshot)


def test_a_snapshot_that_could_not_be_kept_leaves_no_hole_in_the_state(log: SqliteLog) -> None:
    fill(log, story())
    limping = Unsaving(log, refusals=0)
    whole = engine()
    task = DetectTask(limping, whole)
    for turn in range(12):
        task.advance(wait=0.0, limit=3)
        limping.refusals = 1 if turn % 2 else 0
        with suppress(StorageError):
            task.save()
    task.save()
    task.save()
    restored = engine()
    assert DetectTask(log, restored).position == task.position
    assert restored.sizes() == whole.sizes()


def kept(task: DetectTask) -> None:
    """Let the snapshot that was begun be finished while nothing comes in."""
    deadline = time.monotonic() + 20
    while task.saving:
        assert time.monotonic() < deadline
        task.advance(wait=0.01)


def test_a_snapshot_made_meanwhile_is_of_where_it_began(log: SqliteLog, undisturbed: list[Output]) -> None:
    fill(log, story())
    task = DetectTask(log, engine())
    task.advance(wait=0.0, limit=10)
    task.begin_save()
    task.advance(wait=0.0, limit=50)
    began = 10 if task.saving else task.position  # the writing thread may have ended by now
    task.begin_save()
    drained(task)
    kept(task)
    restored = DetectTask(log, engine())
    assert (restored.position, restored.replaying) == (began, True)
    drained(restored)
    assert findings(log) == undisturbed


def test_a_snapshot_made_meanwhile_that_could_not_be_kept_is_kept_later(log: SqliteLog) -> None:
    fill(log, story())
    limping = Unsaving(log, refusals=2)
    whole = engine()
    task = DetectTask(limping, whole)
    task.advance(wait=0.0, limit=64)
    task.begin_save()
    failed = 0
    deadline = time.monotonic() + 20
    while task.saving:
        assert time.monotonic() < deadline
        try:
            task.advance(wait=0.01, limit=1)
        except StorageError:
            failed += 1
    assert failed == 2
    snapshot = log.load(TASK)
    assert snapshot is not None
    assert snapshot.position == 64
    task.save()
    restored = engine()
    assert DetectTask(log, restored).position == task.position
    assert restored.sizes() == whole.sizes()
