"""An isolation forest as plain arrays of whole numbers, so that every machine comes to the same path lengths.

Liu, Ting and Zhou, Isolation Forest (2008): what few random cuts set apart is odd. A node's left child is the next
node and its right child lies `right` nodes on; a leaf holds the depth that it stands for, with what so many samples
would still take.
"""

from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from stream.errors import DamagedError

DEPTH: Final = 64
"""Steps of a path length per cut."""
LEAF: Final = -1
NODES: Final = 65_536
"""Nodes of a forest at most."""
TREES: Final = 256

_CODES: Final = {"feature": "b", "value": "h", "right": "H", "root": "I"}


class Forest:
    """Trees over integer features: a node compares `feature` with `value`, or is a leaf whose path length it is."""

    __slots__ = ("feature", "right", "root", "value")

    def __init__(self, feature: Sequence[int], value: Sequence[int], right: Sequence[int], root: Sequence[int]) -> None:
        self.feature = feature
        self.value = value
        self.right = right
        self.root = root

    def depth(self, sample: Sequence[int]) -> int:
        """The mean path length of a sample over all trees, in 1/64 cuts; the shorter, the odder."""
        feature, value, right = self.feature, self.value, self.right
        total = 0
        for node in self.root:
            while (which := feature[node]) >= 0:
                node += 1 if sample[which] <= value[node] else right[node]
            total += value[node]
        return total // len(self.root)

    def pack(self) -> dict[str, bytes]:
        """The arrays as little-endian bytes."""
        return {name: _bytes(code, getattr(self, name)) for name, code in _CODES.items()}


def digest(arrays: Mapping[str, bytes]) -> str:
    """The digest of a forest's arrays, by name."""
    whole = sha256()
    for name in sorted(arrays):
        whole.update(f"{name}:{len(arrays[name])}:".encode() + arrays[name])
    return whole.hexdigest()


def forest_of(arrays: Mapping[str, bytes], said: str, features: int) -> Forest:
    """The forest that arrays hold.

    Raises DamagedError where they are not what their digest says, or are no forest over so many features.
    """
    return _forest_of(tuple(sorted(arrays.items())), said, features)


@lru_cache(maxsize=512)
def _forest_of(items: tuple[tuple[str, bytes], ...], said: str, features: int) -> Forest:
    arrays = dict(items)
    if digest(arrays) != said or arrays.keys() != _CODES.keys():
        raise DamagedError("a model is not what its digest says", hint="run `tocsin verify`")
    forest = Forest(*(_array(code, arrays[name]) for name, code in _CODES.items()))
    nodes = len(forest.feature)
    sound = (
        0 < nodes <= NODES
        and len(forest.value) == len(forest.right) == nodes
        and 0 < len(forest.root) <= TREES
        and all(root < nodes for root in forest.root)
        and all(
            which == LEAF or (0 <= which < features and forest.right[node] > 0 and node + forest.right[node] < nodes)
            for node, which in enumerate(forest.feature)
        )
    )
    if not sound:
        raise DamagedError("a model is no forest", hint="it was made by another version; wait for the next training")
    return forest


def _bytes(code: str, values: Sequence[int]) -> bytes:
    made = array(code, values)
    return made.tobytes() if _LITTLE else _swapped(made).tobytes()


def _array(code: str, packed: bytes) -> Sequence[int]:
    made = array(code)
    if len(packed) % made.itemsize:
        raise DamagedError("a model's arrays are cut", hint="run `tocsin verify`")
    made.frombytes(packed)
    return made if _LITTLE else _swapped(made)


def _swapped(values: "array[int]") -> "array[int]":
    values.byteswap()
    return values


_LITTLE: Final = array("H", [1]).tobytes() == b"\x01\x00"
