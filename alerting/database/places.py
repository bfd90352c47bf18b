"""What of the streams has taken effect in the store: marks of tasks' outputs, and where to go on reading."""

from typing import Any

from sqlalchemy import Connection, Table, select

from alerting.database.dialect import insert_on
from alerting.database.schema import MARKS, POSITIONS
from stream.frame import Origin
from stream.log import Stream


class Places:
    """High-water marks and positions; all of it inside the caller's transaction, so that they move with the effect."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def mark(self, task: str, partition: int) -> tuple[int, int] | None:
        """Offset and ordinal of a task's last output that took effect; locked until the end."""
        found = self._connection.execute(
            select(MARKS.c.offset, MARKS.c.ordinal)
            .where(MARKS.c.task == task, MARKS.c.partition == partition)
            .with_for_update()
        ).one_or_none()
        return (found.offset, found.ordinal) if found is not None else None

    def set_mark(self, origin: Origin) -> None:
        """Say that an output took effect."""
        self._upsert(MARKS, ("task", "partition"), origin._asdict())

    def position(self, stream: Stream) -> tuple[int, float]:
        """Where to go on reading a stream, and its clock there, locked until the end; (0, 0.0) before the first."""
        found = self._connection.execute(
            select(POSITIONS.c.position, POSITIONS.c.clock)
            .where(POSITIONS.c.stream == stream.name, POSITIONS.c.partition == stream.partition)
            .with_for_update()
        ).one_or_none()
        return (found.position, found.clock) if found is not None else (0, 0.0)

    def set_position(self, stream: Stream, position: int, clock: float) -> None:
        """Say where to go on reading a stream."""
        values = {"stream": stream.name, "partition": stream.partition, "position": position, "clock": clock}
        self._upsert(POSITIONS, ("stream", "partition"), values)

    def _upsert(self, table: Table, keys: tuple[str, ...], values: dict[str, Any]) -> None:
        statement = insert_on(self._connection, table)
        changed = {name: statement.excluded[name] for name in values if name not in keys}
        self._connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), values)
