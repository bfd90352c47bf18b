"""What several tasks found is decided in the order in which one process would have decided it."""

import random
from contextlib import closing

import msgspec
import pytest

from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Policies
from alerting.merge import Merge
from alerting.queries import Filter, list_incidents, why
from alerting.task import AlertTask, act_frame
from stream.control import IncidentChange
from stream.finding import DECODER, Class, Finding
from stream.frame import Frame, Header, Origin, Record, pack, unpack
from stream.memory import MemoryLog
from tests.alerting.world import NOON, a_finding, findings_frame, put

PLACES = [("detect", 0), ("detect", 1), ("wide", 0), ("wide", 1)]


def at(place: int, offset: int, clock: float, *classes: Class) -> Frame:
    """What a task put out: findings, or where there are none a tick."""
    origin = Origin(*PLACES[place], offset, 0)
    if not classes:
        return Frame(Header(received=clock, content="tick", codec="none", origin=origin), b"")
    whole = findings_frame([a_finding(one) for one in classes], clock, offset)
    return pack(msgspec.structs.replace(whole.header, origin=origin), unpack(whole))


def decode(record: Record) -> list[Finding]:
    return DECODER.decode_lines(unpack(record.frame))


def merged(frames: list[Frame], tasks: int = len(PLACES)) -> tuple[Merge, list[list[tuple[int, float]]]]:
    merge = Merge(tasks, decode)
    merge.add([Record(number, frame) for number, frame in enumerate(frames)])
    return merge, shown(merge)


def shown(merge: Merge, *, all_: bool = False) -> list[list[tuple[int, float]]]:
    return [
        [(one.record.offset, one.record.frame.header.received) for one in group] for group in merge.ready(all_=all_)
    ]


def test_a_single_task_is_in_order_already_and_nothing_waits() -> None:
    merge, ready = merged([at(0, 0, 5.0, "brute"), at(0, 1, 6.0)], tasks=1)
    assert ready == [[(0, 5.0)], [(1, 6.0)]]
    assert (len(merge), merge.oldest) == (0, None)


def test_what_may_be_explained_waits_for_every_task_and_what_may_not_goes_by() -> None:
    merge, ready = merged([at(0, 0, 5.0, "brute"), at(1, 0, 5.0, "volume_burst"), at(2, 0, 9.0), at(3, 0, 5.0)])
    assert ready == [[(1, 5.0)], [(3, 5.0)], [(2, 9.0)]]
    assert (len(merge), merge.oldest) == (1, 0)
    merge.add([Record(4, at(0, 1, 7.0)), Record(5, at(1, 1, 7.0)), Record(6, at(3, 1, 5.5))])
    assert shown(merge) == [[(0, 5.0)], [(6, 5.5)], [(4, 7.0)], [(5, 7.0)]]
    assert merge.oldest is None


def test_nothing_is_released_before_every_task_was_heard_of() -> None:
    merge, ready = merged([at(0, 0, 5.0, "brute"), at(1, 0, 9.0), at(2, 0, 9.0)])
    assert [offset for group in ready for offset, _ in group] == [1, 2]
    assert merge.clock < 0


def test_findings_of_one_clock_are_decided_together_whoever_made_them() -> None:
    later = [at(place, 1, 8.0) for place in range(4)]
    _, ready = merged([at(0, 0, 5.0, "brute"), at(1, 0, 5.0, "spray"), at(3, 0, 4.0, "outage"), *later])
    assert ready[:2] == [[(2, 4.0)], [(0, 5.0), (1, 5.0)]]


def test_a_task_never_overtakes_itself_and_an_act_overtakes_nothing() -> None:
    act = act_frame(IncidentChange(incident="0" * 32, act="ack", by="eve", at=NOON), NOON)
    merge, ready = merged([at(0, 0, 5.0, "brute"), at(0, 1, 6.0, "volume_burst"), act, at(1, 0, 5.0)])
    assert [offset for group in ready for offset, _ in group] == [3]
    assert shown(merge, all_=True) == [[(0, 5.0)], [(1, 6.0)], [(2, NOON)]]


@pytest.mark.parametrize("seed", range(10))
def test_any_mixture_of_the_tasks_is_decided_in_one_order(seed: int) -> None:
    chance = random.Random(seed)
    queues = [
        [at(place, offset, float(offset + 1 + place % 2), *(("brute",) if offset % 2 else ())) for offset in range(12)]
        + [at(place, 12, 99.0)]
        for place in range(4)
    ]
    expected = sorted(
        (frame.header.received, frame.header.origin) for queue in queues for frame in queue if frame.header.count
    )
    merge = Merge(4, decode)
    found, number = list[tuple[float, Origin | None]](), 0
    while any(queues):
        queue = chance.choice([queue for queue in queues if queue])
        merge.add([Record(number, queue.pop(0))])
        number += 1
        for group in merge.ready():
            found += sorted((h.received, h.origin) for one in group if (h := one.record.frame.header).count)
    assert found == expected


def test_a_cause_that_comes_later_in_the_stream_explains_what_was_found_after_it() -> None:
    log = MemoryLog()
    about = {"server": "billing"}
    leak = a_finding("cross_tenant_leak", entity=about)
    read = a_finding("cross_tenant_read", facts={"server": ("billing",)})
    frames = [at(0, 0, NOON + 2, "brute"), at(2, 0, NOON + 1, "brute")]
    for frame, finding in zip(frames, (read, leak), strict=True):
        made = findings_frame([finding], frame.header.received, 0)
        put(log, pack(msgspec.structs.replace(made.header, origin=frame.header.origin), unpack(made)))
    with closing(Store(MEMORY)) as store:
        task = AlertTask(log, store, Policies(), tasks=4)
        task.advance(wait=0)
        assert (task.held, list_incidents(store, Filter())) == (2, [])
        put(log, *(at(place, 1, NOON + 9) for place in range(4)))
        task.advance(wait=0)
        (incident,) = list_incidents(store, Filter())
        reasons = [decision["reason"] for decision in why(store, incident.id)["decisions"]]
        assert reasons == ["new", "inhibited"]


def test_a_task_that_begins_again_loses_nothing_that_was_held_and_repeats_nothing() -> None:
    frames = [at(1, 0, NOON, "volume_burst"), at(0, 0, NOON, "brute"), at(1, 1, NOON, "volume_slow")]
    with closing(Store(MEMORY)) as store:
        for last in (False, True):
            log = MemoryLog()  # one forgets what was read
            put(log, *frames)
            task = AlertTask(log, store, Policies(), tasks=4)
            task.advance(wait=0, patient=not last)
            assert task.held == (0 if last else 1)
            assert task.position == (3 if last else 1)
        decided = [why(store, incident.id)["decisions"] for incident in list_incidents(store, Filter())]
    assert sum(map(len, decided)) == 3


def test_time_alone_takes_effect_once_a_second_though_many_tell_of_it() -> None:
    log = MemoryLog()
    put(log, at(0, 0, NOON), at(1, 0, NOON + 0.2), at(2, 0, NOON + 0.9))
    with closing(Store(MEMORY)) as store:
        task = AlertTask(log, store, Policies(), tasks=4)
        assert task.advance(wait=0) == 3
        assert (task.position, task.clock) == (3, NOON + 0.9)
        put(log, at(3, 0, NOON + 1.5))
        assert task.advance(wait=0) == 1
        assert (task.position, task.clock) == (3, NOON + 0.9)
        put(log, at(0, 1, NOON + 1.9))
        assert task.advance(wait=0) == 1
        assert (task.position, task.clock) == (5, NOON + 1.9)
