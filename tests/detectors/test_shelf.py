"""A shelf holds what a dict would, in order."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.shelf import Shelf

IDS = st.integers(0, 2**64 - 1) | st.integers(0, 5)


@given(st.lists(st.tuples(IDS, st.none() | st.binary(max_size=3))))
def test_a_shelf_is_a_sorted_mapping(changes: list[tuple[int, bytes | None]]) -> None:
    shelf, model = Shelf(), dict[int, bytes]()
    for identity, value in changes:
        assert shelf.get(identity) == model.get(identity)
        if value is None:
            assert shelf.pop(identity) == model.pop(identity, None)
        else:
            shelf.put(identity, value)
            model[identity] = value
        assert len(shelf) == len(model)
    assert list(shelf.items()) == sorted(model.items())
