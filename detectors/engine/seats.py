"""The seats of the live entities of one kind: who gets up when somebody else needs one."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from detectors.engine.live import Live
from detectors.keys import Raw

BUSY_MINUTES: Final = 10
"""Minutes of the clock without an event after which an entity is packed where there are many."""
GUESTS: Final = 32
"""One seat in so many is for who was not seen for a while before; who comes again soon gets one of the others."""


class Seats:
    """Who sits, in the order of coming: residents had an event a few minutes before they came, guests had none.

    So the many who come once in a while do not drive out those who come all the time (2Q, Johnson and Shasha 1994; what
    was seen of an entity before it came again stands in for the queue of those who left). `live` are those who sit.
    """

    def __init__(self, live: Mapping[Raw, Live], limit: int) -> None:
        self._live = live
        self._limit = limit
        self._guests: deque[tuple[Live, int]] = deque()
        self._residents: deque[tuple[Live, int]] = deque()

    def take(self, live: Live, minute: int) -> None:
        """An entity takes a seat at a minute of the clock; `live.seen` is still from before."""
        queue = self._residents if minute - live.seen <= BUSY_MINUTES else self._guests
        queue.append((live, minute))
        if len(queue) > self._limit * 2:
            seated = [entry for entry in queue if self._live.get(entry[0].raw) is entry[0]]
            queue.clear()
            queue.extend(seated)

    def last(self) -> Live:
        """Who is to get up: the first who came and had no event since, guests before residents. There must be one."""
        guests, residents = self._guests, self._residents
        while True:
            queue = guests if len(guests) * GUESTS > self._limit or not residents else residents
            live, since = queue.popleft()
            if self._live.get(live.raw) is not live:
                continue
            if live.seen <= since:
                return live
            residents.append((live, live.seen))
