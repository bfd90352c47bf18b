"""A long sequence in pieces."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def parts(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """The items in lists of at most so many."""
    left = iter(items)
    while part := list(islice(left, most)):
        yield part
