"""What is held of one principal: open minutes and hours, what today reached so far, and what was learned."""

from collections.abc import Sequence
from typing import Any, Final

from detectors.volume.baseline import Baseline
from detectors.volume.minutes import Minutes
from detectors.volume.usage import Hour

HOUR: Final = 3600
MINUTES_HELD: Final = 3 * HOUR
HOURS_HELD: Final = 26 * HOUR
NO_MINUTE: Final = -1
LARGEST_ROOM: Final = (1 << 30) - 1
"""What room is counted down from at most: arithmetic on larger numbers costs more."""


class Principal:
    """One principal.

    One minute is open at a time: of `cell`'s hour, with `calls`, `size` and `rows` counting down from `room`, the
    amounts by which it lies below the nearest gate; what is missing from `room` is not in `minutes` and `cell` yet.
    `what` and `via` are the last resource and client, `most_spots` is the gate of distinct resources, and a single
    answer beyond `most_size` is evidence. `past` is the minute before it that was counted last.

    `lates` are minutes of what came late. `crests` are today's largest residual of each signal in 1/32 octave, `tops`
    today's largest five minutes. `opening` is the hour after the last day that was learned from, with the gates of that
    hour as they were before: events on both sides of the learning are judged alike. `client` is
    the one that a person speaks through, as far as was known when the day began, `heard` the latest hour's.
    """

    __slots__ = (
        "_own",
        "calls",
        "cell",
        "client",
        "crests",
        "heard",
        "hours",
        "lates",
        "minute",
        "minutes",
        "most_size",
        "most_spots",
        "opening",
        "past",
        "room",
        "rows",
        "size",
        "tops",
        "unsized",
        "via",
        "what",
    )

    def __init__(self) -> None:
        self.minute = NO_MINUTE
        self.calls = 0
        self.size = 0
        self.rows = 0
        self.unsized = 0
        self.room = (0, 0, 0)
        self.what: str | None = None
        self.via: str | None = None
        self.most_spots = 0
        self.most_size = 0
        self.past = NO_MINUTE
        self.cell: Hour = _NO_HOUR
        self.minutes = Minutes()
        self.lates: Minutes | None = None
        self.hours: dict[int, Hour] = {}
        self.crests: list[int] = []
        self.tops: tuple[int, ...] = ()
        self.opening: tuple[int, bytes] | None = None
        self.client = ""
        self.heard = ""
        self._own: Baseline | bytes | None = None

    @property
    def own(self) -> Baseline | None:
        """What was learned; None before a day was."""
        own = self._own
        if type(own) is bytes:
            own = self._own = Baseline.unpack(own)
        assert not isinstance(own, bytes)
        return own

    @own.setter
    def own(self, baseline: Baseline) -> None:
        self._own = baseline

    def flush(self) -> None:
        """Bring what the open minute counted into its minute and hour."""
        room = self.room
        calls = room[0] - self.calls
        if calls <= 0 or self.minute < 0:
            return
        size, rows = room[1] - self.size, room[2] - self.rows
        cell = self.cell
        if self.minutes.add(self.minute, calls, size, rows) and (self.lates is None or self.minute not in self.lates):
            cell.minutes += 1
        cell.add(calls, size, rows)
        cell.unsized += self.unsized
        self.unsized = 0
        self.room = (self.calls, self.size, self.rows)

    def shrink_room(self, calls: int, size: int, rows: int) -> None:
        """Something was counted in an earlier minute, with which the open one may share an hour or five minutes."""
        self.flush()
        self.calls -= calls
        self.size -= size
        self.rows -= rows
        self.room = (self.calls, self.size, self.rows)
        if self.calls <= 0 or self.size <= 0 or self.rows <= 0:
            self.close_minute()

    def close_minute(self) -> None:
        """No minute is open any more."""
        self.flush()
        self.minute = NO_MINUTE
        self.cell = _NO_HOUR

    def window(self, last: int, width: int) -> tuple[int, int, int, int]:
        """Calls, bytes and rows of the minutes up to this one, late ones too; how many of them had any."""
        totals = self.minutes.window(last, width)
        if self.lates is None:
            return totals
        late = self.lates.window(last, width)
        return totals[0] + late[0], totals[1] + late[1], totals[2] + late[2], totals[3] + late[3]

    def drop(self, clock: float) -> None:
        """Drop the open cells that no late event can reach any more."""
        oldest = int(clock - MINUTES_HELD) // 60
        if self.minute < oldest and self.minute != NO_MINUTE:
            self.close_minute()
        self.minutes.forget(oldest)
        if self.lates is not None:
            self.lates.forget(oldest)
            if not self.lates.cells:
                self.lates = None
        last = int(clock - HOURS_HELD) // HOUR
        for hour in [hour for hour in self.hours if hour * 60 + 60 <= oldest]:
            if hour < last:
                del self.hours[hour]
            else:
                self.hours[hour].shrink()
        if self.opening is not None and self.opening[0] < last:
            self.opening = None

    def pack(self) -> list[Any]:
        """All but which minute is open, without what holds nothing at the end."""
        self.flush()
        own = self._own
        hours: list[Any] = []
        before = 0
        for hour in sorted(self.hours):
            hours += (hour - before, self.hours[hour].pack())
            before = hour
        packed = [
            own.pack() if isinstance(own, Baseline) else own or b"",
            self.client,
            "" if self.heard == self.client else self.heard,
            hours,
            self.minutes.pack(),
            self.opening,
            self.tops,
            self.crests,
            self.lates.pack() if self.lates is not None else None,
        ]
        while packed and not packed[-1]:
            packed.pop()
        return packed

    @classmethod
    def unpack(cls, value: Sequence[Any]) -> "Principal":
        """The state that `pack` wrote; raises ValueError where it does not fit."""
        if len(value) > len(_EMPTY):
            raise ValueError(f"a principal has {len(_EMPTY)} fields, not {len(value)}")
        made = cls()
        own, made.client, heard, hours, minutes, opening, tops, made.crests, lates = (*value, *_EMPTY[len(value) :])
        made._own = own or None
        made.heard = heard or made.client
        at = 0
        for step, hour in zip(hours[::2], hours[1::2], strict=True):
            at += step
            made.hours[at] = Hour.unpack(hour)
        made.minutes = Minutes.unpack(minutes)
        made.opening = tuple(opening) if opening else None
        made.tops = tuple(tops)
        made.lates = Minutes.unpack(lates) if lates else None
        return made


_EMPTY: Final[tuple[Any, ...]] = (b"", "", "", (), (), None, (), [], None)
_NO_HOUR: Final = Hour()
