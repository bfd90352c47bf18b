"""What detectors learned of a person goes when the log says so, also from what the next start begins with."""

from collector.formats.native import parse_lines
from detectors import keys
from detectors.data_volume import DETECTOR
from detectors.engine.engine import SECRET, Engine
from detectors.engine.forgetting import forgotten
from stream.control import control_frame
from stream.frame import Frame, Header, Record
from stream.receipt import receive

NOON = 1_795_003_200.0


def an_events_frame(at: float, *users: str) -> Frame:
    lines = [
        b'{"time":%d,"server":"crm","method":"tools/call","user":"%s","tenant":"acme","rows":5,"response_bytes":900,'
        b'"outcome":"ok","auth":"valid","identity":"verified","id":"%s-%d"}' % (at, user.encode(), user.encode(), at)
        for user in users
    ]
    events = parse_lines(b"\n".join(lines), lines)
    assert events is not None
    return receive(events, b"\n".join(lines), at, source="k", digest="d")


def an_engine() -> Engine:
    return Engine([DETECTOR()])


def folded(engine: Engine, *frames: Frame) -> None:
    for offset, frame in enumerate(frames):
        engine.fold(Record(offset, frame))


def known(engine: Engine, user: str) -> bool:
    (table,) = [table for table in engine._tables if table.kind == "principal"]
    identity = keys.digest("principal", ("acme", user), SECRET)
    bucket = table.buckets.get(identity >> 52)
    return bucket is not None and (identity in bucket.live or bucket.idle.get(identity) is not None)


def test_only_the_person_is_forgotten_and_the_record_names_nobody() -> None:
    engine = an_engine()
    folded(engine, *(an_events_frame(NOON + hour * 3600, "alice", "bob") for hour in range(4)))
    assert (known(engine, "alice"), known(engine, "bob")) == (True, True)
    count = engine.sizes_known("principal")
    record = control_frame(forgotten("alice", "acme", SECRET, NOON), NOON + 4 * 3600)
    assert b"alice" not in record.payload
    folded(engine, record)
    assert (known(engine, "alice"), known(engine, "bob")) == (False, True)
    assert engine.sizes_known("principal") == count - 1
    folded(engine, control_frame(forgotten("alice", "acme", SECRET, NOON), NOON + 4 * 3600))
    assert engine.sizes_known("principal") == count - 1, "a second time changes nothing"


def test_a_snapshot_made_before_forgets_too_once_the_next_is_laid_over_it() -> None:
    engine = an_engine()
    folded(engine, *(an_events_frame(NOON + hour * 3600, "alice", "bob") for hour in range(4)))
    meta, first = engine.snapshot()
    folded(engine, control_frame(forgotten("alice", "acme", SECRET, NOON), NOON + 4 * 3600))
    meta, second = engine.snapshot()
    buckets = {name: content for name, content in {**first, **second}.items() if content is not None}
    again = an_engine()
    again.restore(meta, buckets)
    assert (known(again, "alice"), known(again, "bob")) == (False, True)


def test_cells_that_were_open_are_settled_without_the_person() -> None:
    engine = an_engine()
    folded(engine, an_events_frame(NOON, "alice", "bob"))
    folded(engine, control_frame(forgotten("alice", "acme", SECRET, NOON), NOON + 60))
    for hour in range(1, 40):
        tick = Frame(Header(received=NOON + hour * 3600, content="tick", codec="none"), b"")
        folded(engine, tick)
    assert not known(engine, "alice")
    folded(engine, an_events_frame(NOON + 41 * 3600, "alice"))
    assert known(engine, "alice")
