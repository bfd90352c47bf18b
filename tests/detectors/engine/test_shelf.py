"""A shelf holds what a dict would, in order."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.engine.compression import Compression
from detectors.engine.shelf import Shelf

RECORD = b"\x91".__add__
"""Packed entities are arrays."""
IDS = st.integers(0, 2**64 - 1) | st.integers(0, 5)


@given(st.lists(st.tuples(IDS, st.none() | st.binary(max_size=60).map(RECORD))))
def test_a_shelf_is_a_sorted_mapping(changes: list[tuple[int, bytes | None]]) -> None:
    shelf, model = Shelf(Compression()), dict[int, bytes]()
    for identity, value in changes:
        assert shelf.get(identity) == model.get(identity)
        if value is None:
            assert shelf.drop(identity) == (model.pop(identity, None) is not None)
        else:
            shelf.put(identity, value)
            model[identity] = value
        assert len(shelf) == len(model)
    assert list(shelf.items()) == sorted(model.items())
