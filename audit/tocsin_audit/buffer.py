"""The bounded queue between a server's requests and our own thread: it never blocks a producer."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Buffer(Generic[T]):
    """At most `most` items and `most_bytes` of weight; `put` refuses what does not fit."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._changed = threading.Condition(threading.Lock())
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, weight: int, *, batch: int = 500) -> bool:
        """Add an item, or say that there is no room; the reader is woken by the first and the `batch`-th only."""
        with self._changed:
            count = len(self._items)
            if count >= self._most or self._weight + weight > self._most_bytes:
                return False
            self._items.append((item, weight))
            self._weight += weight
            if count == 0 or count == batch - 1:
                self._changed.notify()
        return True

    def take(self, most: int, *, wait: float, linger: float) -> list[T]:
        """Up to `most` items: at once when there are so many, else `linger` seconds after the first.

        An empty list after `wait` seconds without any, or when woken.
        """
        with self._changed:
            if not self._items and not self._closed:
                self._changed.wait(wait)
            if 0 < len(self._items) < most and not self._closed:
                self._changed.wait_for(lambda: len(self._items) >= most or self._closed, linger)
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._weight -= sum(weight for _, weight in taken)
        return [item for item, _ in taken]

    def wake(self) -> None:
        """Let a waiting reader return."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Let the reader take what is left without waiting for more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
