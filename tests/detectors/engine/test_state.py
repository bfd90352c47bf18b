"""A state's codec follows from its annotations."""

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.engine.state import Codec
from stream.errors import DamagedError


class Part:
    """A part that packs itself."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high

    def pack(self) -> list[int]:
        return [self.low, self.high]

    @classmethod
    def unpack(cls, value: list[int]) -> "Part":
        return cls(*value)


class Inner:
    word: str
    seen: set[str]

    def __init__(self, word: str = "", seen: tuple[str, ...] = ()) -> None:
        self.word = word
        self.seen = set(seen)


class State:
    shared: ClassVar[int] = 7
    count: int
    mean: float
    name: str | None
    flag: bool
    raw: bytes
    ring: list[int]
    pair: tuple[int, str]
    many: tuple[int, ...]
    ids: set[int]
    by_cell: dict[int, list[int]]
    part: Part
    parts: dict[str, Part]
    maybe: Part | None
    inner: Inner
    inners: list[Inner]

    def __init__(self) -> None:
        raise AssertionError("unpacking does not call the constructor")


def state(**values: Any) -> State:
    made = State.__new__(State)
    settings: dict[str, Any] = {
        "count": 3,
        "mean": 0.5,
        "name": None,
        "flag": True,
        "raw": b"\x00\xff",
        "ring": [1, 2],
        "pair": (1, "x"),
        "many": (4, 5, 6),
        "ids": {3, 1, 2},
        "by_cell": {9: [1], 2: [2]},
        "part": Part(1, 2),
        "parts": {"b": Part(3, 4), "a": Part(5, 6)},
        "maybe": None,
        "inner": Inner("w", ("y", "x")),
        "inners": [Inner("v")],
    }
    for name, value in (settings | values).items():
        setattr(made, name, value)
    return made


def test_every_attribute_comes_back() -> None:
    codec = Codec(State)
    back = codec.unpack(codec.pack(state(name="n", maybe=Part(8, 9))))
    assert (back.count, back.mean, back.name, back.flag, back.raw) == (3, 0.5, "n", True, b"\x00\xff")
    assert (back.ring, back.pair, back.many, back.ids) == ([1, 2], (1, "x"), (4, 5, 6), {1, 2, 3})
    assert back.by_cell == {9: [1], 2: [2]}
    assert (back.part.high, back.parts["a"].low) == (2, 5)
    assert back.maybe is not None
    assert back.maybe.high == 9
    assert (back.inner.word, back.inner.seen, back.inners[0].word) == ("w", {"x", "y"}, "v")
    assert back.shared == 7


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=30), st.randoms())
def test_equal_states_pack_to_equal_bytes_whatever_order_they_grew_in(numbers: list[int], chance: Any) -> None:
    codec = Codec(State)
    other = numbers[:]
    chance.shuffle(other)
    packed = [
        codec.pack(state(ids=set(order), by_cell={number: [number] for number in order})) for order in (numbers, other)
    ]
    assert packed[0] == packed[1]


def test_a_state_without_attributes_is_packed_too() -> None:
    class Empty:
        pass

    assert isinstance(Codec(Empty).unpack(Codec(Empty).pack(Empty())), Empty)


def test_an_annotation_without_a_codec_is_named() -> None:
    class Odd:
        thing: object

    with pytest.raises(TypeError, match=r"Odd\.thing"):
        Codec(Odd)


def test_bytes_of_another_state_are_damaged() -> None:
    packed = Codec(Inner).pack(Inner("w"))
    with pytest.raises(DamagedError, match="packed State cannot be read"):
        Codec(State).unpack(packed)
