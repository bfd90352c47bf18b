from hypothesis import given
from hypothesis import strategies as st

from detectors.parts.distinct import BITS, EXACT, Distinct, union
from detectors.parts.keyed import number

keys = st.lists(st.integers(1, 2**32 - 1), max_size=150)


def made(values: list[int]) -> Distinct:
    one = Distinct()
    for value in values:
        one.add(value)
    return one


@given(keys, st.randoms())
def test_a_set_does_not_depend_on_the_order_of_its_keys(values: list[int], chance: object) -> None:
    shuffled = sorted(values, key=lambda _: chance.random())  # type: ignore[attr-defined]  # hypothesis types it as object
    assert made(values).pack() == made(shuffled).pack()


@given(keys, keys)
def test_merging_gives_what_adding_all_gives(first: list[int], second: list[int]) -> None:
    merged = made(first)
    merged.update(made(second))
    assert merged.pack() == made(first + second).pack()
    assert union([made(first), made(second)]).pack() == merged.pack()


@given(keys)
def test_a_set_survives_packing(values: list[int]) -> None:
    one = made(values)
    again = Distinct.unpack(one.pack())
    assert again.pack() == one.pack()
    assert len(again) == len(one)
    assert all(value in again for value in values)


@given(st.sets(st.integers(1, 2**32 - 1), max_size=EXACT))
def test_up_to_64_keys_are_counted_exactly(values: set[int]) -> None:
    assert len(made([*values, *values])) == len(values)


def test_thousands_are_counted_within_a_few_percent_at_a_bounded_size() -> None:
    one = made([number(f"key-{i}") for i in range(5_000)])
    assert abs(len(one) - 5_000) < 250
    assert len(one.pack()) == BITS // 8


@given(keys, keys)
def test_strangers_are_those_not_known(values: list[int], known: list[int]) -> None:
    strangers = made(values).without(made(known))
    if len({*values, *known}) <= EXACT:
        assert strangers == len({*values} - {*known})
    else:
        assert strangers <= 2 * len({*values})


@given(keys)
def test_adding_says_whether_a_key_is_new(values: list[int]) -> None:
    one = Distinct()
    for value in values:
        before = one.pack()
        assert one.add(value) == (one.pack() != before)


def test_an_empty_set_is_false_and_packs_to_nothing() -> None:
    assert not Distinct()
    assert Distinct().pack() == []


@given(st.lists(st.sets(st.integers(1, 2**32 - 1), max_size=90), max_size=6))
def test_a_union_is_what_folding_one_after_another_gives(sets: list[set[int]]) -> None:
    whole = Distinct()
    for keys in sets:
        whole.update(Distinct(keys))
    together = union(Distinct(keys) for keys in sets)
    assert together.pack() == whole.pack()
    assert len(together) == len(whole)
