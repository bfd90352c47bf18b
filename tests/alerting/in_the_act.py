"""What a process left behind that died at a crash point: whether it died in the act, not on its way past."""

from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from sqlalchemy import select

from alerting.database.schema import DECISIONS, OUTBOX, POSITIONS
from alerting.database.store import Store
from stream import control
from stream.control import Act
from stream.frame import Frame, unpack
from stream.log import FINDINGS
from stream.sqlite import open_log

STATES = {
    "delivery.before_attempt": "pending",
    "delivery.after_attempt": "attempting",
    "delivery.before_record": "attempting",
    "delivery.after_record": "done",
}


def died_in_the_act(point: str, data: Path, database_url: str, arrived: Collection[tuple[str, str]] | None) -> bool:
    """Whether what a point stands between is there on the one side and not yet on the other.

    `arrived` are the alerts that sinks have, each with its sink; None where nobody knows.
    """
    with closing(Store(database_url)) as store, store.reading() as connection:
        position = connection.execute(select(POSITIONS.c.position)).scalar() or 0
        decided = connection.execute(select(DECISIONS.c.id)).first() is not None
        sent = [
            (row.state, (row.sink, row.alert)) for row in connection.execute(select(*(OUTBOX.c[n] for n in _COLUMNS)))
        ]
    if point.startswith("alert."):
        waiting, taken = _matters(data, position)
        return (taken and decided) if point == "alert.after_commit" else waiting
    mine = [alert for state, alert in sent if state == STATES[point]]
    if arrived is not None and point == "delivery.after_attempt":
        mine = [alert for alert in mine if alert not in arrived]
    elif arrived is not None and point in ("delivery.before_record", "delivery.after_record"):
        mine = [alert for alert in mine if alert in arrived]
    return bool(mine)


_COLUMNS = ("state", "sink", "alert")


def _matters(data: Path, position: int) -> tuple[bool, bool]:
    """Whether a finding or an act waits from a position on, and whether one was taken before it."""
    with open_log(data, reserve_bytes=0) as log:
        records = log.read(FINDINGS, 0, limit=10_000)
    offsets = [record.offset for record in records if matters(record.frame)]
    return any(offset >= position for offset in offsets), any(offset < position for offset in offsets)


def matters(frame: Frame) -> bool:
    """Whether a frame has findings or acts, and not just facts or the time."""
    if frame.header.content == "control":
        return any(isinstance(control.DECODER.decode(line), Act) for line in unpack(frame).splitlines())
    return frame.header.content == "findings" and frame.header.count > 0
