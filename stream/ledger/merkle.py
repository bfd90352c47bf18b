"""The Merkle tree of RFC 6962 §2.1 over SHA-256: its root, and proofs that a leaf or an earlier tree is in it."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

EMPTY: Final = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf's data."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows: it keeps one hash for each bit of its size."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf's hash."""
        size = self.size
        while size & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            size >>= 1
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree as it is."""
        if not self._peaks:
            return EMPTY
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over the hashes of leaves."""
    tree = Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of a leaf (RFC 6962 §2.1.1), nearest first. Raises IndexError where there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    path: list[bytes] = []
    begin, end = 0, len(leaves)
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(root(leaves[middle:end]))
            end = middle
        else:
            path.append(root(leaves[begin:middle]))
            begin = middle
    return path[::-1]


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to (RFC 9162 §2.1.3.2); None where the path cannot be one."""
    if not 0 <= index < size:
        return None
    found, node, last = leaf, index, size - 1
    for step in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            found = node_hash(step, found)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            found = node_hash(found, step)
        node >>= 1
        last >>= 1
    return found if last == 0 else None


def consistency(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """The proof that the tree of the first `size` leaves is in that of all (RFC 6962 §2.1.2).

    Raises IndexError where `size` is not between 1 and the number of leaves.
    """
    if not 1 <= size <= len(leaves):
        raise IndexError(size)
    path: list[bytes] = []
    begin, end, whole = 0, len(leaves), True
    while size != end - begin:
        middle = _split(end - begin)
        if size <= middle:
            path.append(root(leaves[begin + middle : end]))
            end = begin + middle
        else:
            path.append(root(leaves[begin : begin + middle]))
            begin += middle
            size -= middle
            whole = False
    if not whole:
        path.append(root(leaves[begin:end]))
    return path[::-1]


def consistent(first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a proof shows that the first tree is in the second one (RFC 9162 §2.1.4.2)."""
    if first == second:
        return not path and first_root == second_root
    if not 0 < first < second or not path:
        return False
    steps = list(path) if first & (first - 1) else [first_root, *path]
    node, last = first - 1, second - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, step)
        node >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1
