"""Pairing: a request and its response meet by the channel they share and the request's id."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final, Generic, NamedTuple, TypeVar

MOST_WAITING: Final = 2_000
MOST_ANSWERED: Final = 16_384
PATIENCE: Final = 5.0
"""Seconds that a response waits for its request: on the older transport it can be seen first."""
LONGEST: Final = 600.0
"""Seconds that a request waits for its response."""

T = TypeVar("T")


class Answered(NamedTuple):
    """A response as it came: the message, its size in bytes, and when in seconds since the epoch."""

    message: Any
    size: int
    time: float


class Stray(NamedTuple):
    """A response that no request asked for: `orphan`, or `double` where the request had its answer already."""

    channel: Hashable
    id: str | None
    kind: str
    answer: Answered


class Pairing(Generic[T]):
    """Requests that wait and responses that came early, each bounded; what is pushed out is never called a stray."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: OrderedDict[tuple[Hashable, str | None], tuple[T, float]] = OrderedDict()
        self._early: OrderedDict[tuple[Hashable, str | None], Answered] = OrderedDict()
        self._answered: OrderedDict[tuple[Hashable, str | None], None] = OrderedDict()
        self._abandoned: OrderedDict[tuple[Hashable, str | None], None] = OrderedDict()
        self._lossy = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, channel: Hashable, request_id: str | None, request: T, now: float) -> Answered | None:
        """Let a request wait; its answer where that has come already."""
        key = (channel, request_id)
        early = self._early.pop(key, None)
        if early is not None:
            self._settled(key)
            return early
        self._answered.pop(key, None)
        self._abandoned.pop(key, None)
        self._waiting[key] = (request, now)
        if len(self._waiting) > self._most:
            self._waiting.popitem(last=False)
            self._lossy = now + LONGEST
        return None

    def settled(self, channel: Hashable, request_id: str | None) -> None:
        """Note that a request has had its answer where it asked."""
        self._settled((channel, request_id))

    def answer(self, channel: Hashable, request_id: str | None, answer: Answered) -> T | Stray | None:
        """The request that a response belongs to; a stray where it had one before; null where it may be early."""
        key = (channel, request_id)
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            self._settled(key)
            return waiting[0]
        if self._abandoned.pop(key, key) is None:
            return None
        if key in self._answered:
            return Stray(channel, request_id, "double", answer)
        self._early[key] = answer
        if len(self._early) > self._most:
            self._early.popitem(last=False)
        return None

    def forget(self, channel: Hashable, request_id: str | None) -> T | None:
        """Take a request out of the waiting; the request, where it was there."""
        found = self._waiting.pop((channel, request_id), None)
        if found is not None:
            self._settled((channel, request_id))
        return found[0] if found is not None else None

    def abandon(self, channel: Hashable, request_id: str | None) -> T | None:
        """Take out a request that was called off; whether it is still answered is the other side's to choose."""
        key = (channel, request_id)
        found = self._waiting.pop(key, None)
        self._abandoned[key] = None
        if len(self._abandoned) > self._most:
            self._abandoned.popitem(last=False)
        return found[0] if found is not None else None

    def only(self, channel: Hashable) -> str | None:
        """The id of the one request that waits on a channel; null where there are none or several."""
        waiting = [key[1] for key in self._waiting if key[0] == channel]
        return waiting[0] if len(waiting) == 1 else None

    def strays(self, now: float, patience: float = PATIENCE) -> list[Stray]:
        """Responses that waited for their request in vain; `now` in seconds since the epoch."""
        found = []
        while self._early:
            key, answer = next(iter(self._early.items()))
            if answer.time > now - patience:
                break
            del self._early[key]
            if answer.time > self._lossy:
                found.append(Stray(*key, "orphan", answer))
        return found

    def overdue(self, now: float, longest: float = LONGEST) -> list[T]:
        """Requests that waited for their response in vain."""
        found = []
        while self._waiting:
            key, (request, since) = next(iter(self._waiting.items()))
            if since > now - longest:
                break
            del self._waiting[key]
            found.append(request)
        return found

    def close(self, channel: Hashable) -> list[T]:
        """Every request that still waits on a channel which is over."""
        keys = [key for key in self._waiting if key[0] == channel]
        return [self._waiting.pop(key)[0] for key in keys]

    def close_all(self) -> list[T]:
        """Every request that still waits."""
        found = [request for request, _ in self._waiting.values()]
        self._waiting.clear()
        return found

    def _settled(self, key: tuple[Hashable, str | None]) -> None:
        self._answered[key] = None
        if len(self._answered) > MOST_ANSWERED:
            self._answered.popitem(last=False)
