"""Entities as they were at one moment, packed by and by: what changes meanwhile is packed before it does."""

from collections.abc import Callable, Iterable

from detectors.engine.live import Live


class Copies:
    """Of one table: `wanted` are the live entities that are not packed yet, `made` the bytes of those that are."""

    def __init__(self, pack: Callable[[Live, float], bytes]) -> None:
        self.wanted: dict[int, Live] = {}
        self.made: dict[int, bytes] = {}
        self._pack = pack
        self._clock = 0.0

    def begin(self, lives: Iterable[Live], clock: float) -> None:
        """Want entities as they are now; `clock` is that of the moment."""
        self.wanted = {live.id: live for live in lives}
        self.made = {}
        self._clock = clock
        for live in self.wanted.values():
            live.dirty = False
            live.copying = True
            # Its next event has to come by `Settling.touch` before it changes anything.
            live.stamp = ~live.stamp if live.stamp > 0 else live.stamp

    def before_change(self, live: Live) -> None:
        """An entity is about to change: pack it if it is wanted as it is."""
        if live.copying:
            live.copying = False
            del self.wanted[live.id]
            self.made[live.id] = self._pack(live, self._clock)

    def some(self, limit: int) -> int:
        """Pack at most so many of those that did not change; how many there were."""
        done = 0
        wanted = self.wanted
        while wanted and done < limit:
            identity, live = wanted.popitem()
            live.copying = False
            self.made[identity] = self._pack(live, self._clock)
            done += 1
        return done
