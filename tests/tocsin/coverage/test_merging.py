"""Records of several partitions come in one order, however they are read and wherever reading begins anew."""

from hypothesis import given
from hypothesis import strategies as st

from stream.frame import Frame, Header, Record
from tocsin.coverage.merging import Lane, Merging


def records(moments: list[int]) -> list[Record]:
    return [
        Record(offset, Frame(Header(received=float(moment), content="tick", codec="none"), b""))
        for offset, moment in enumerate(moments)
    ]


def merged(merging: Merging, partitions: list[list[Record]], chunks: list[int]) -> list[int]:
    """The identities of the records in the order in which they are handed out, read in chunks of such sizes."""
    found: list[int] = []
    turns = [*chunks, *[8] * 50]
    for turn, size in enumerate(turns):
        number = turn % len(partitions)
        position = merging.wants(number)
        if position is not None:
            merging.add(number, partitions[number][position : position + size])
        found += [id(record) for record in merging.ready()]
    return found


lanes = st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=25), min_size=1, max_size=4)
sizes = st.lists(st.integers(0, 7), max_size=12)


@given(lanes, sizes, sizes)
def test_the_order_does_not_depend_on_how_partitions_are_read(
    moments: list[list[int]], one: list[int], other: list[int]
) -> None:
    partitions = [records(list_) for list_ in moments]
    fresh = [Lane() for _ in partitions]
    first = merged(Merging(fresh), partitions, one)
    assert merged(Merging(fresh), partitions, other) == first
    assert len(set(first)) == len(first)


@given(lanes, sizes, st.integers(0, 30))
def test_whoever_begins_where_another_stopped_is_given_the_rest(
    moments: list[list[int]], chunks: list[int], turns: int
) -> None:
    partitions = [records(list_) for list_ in moments]
    whole = merged(Merging([Lane() for _ in partitions]), partitions, [])
    before = Merging([Lane() for _ in partitions])
    handed: list[int] = []
    for turn in range(turns):
        number = turn % len(partitions)
        position = before.wants(number)
        assert position is not None
        before.add(number, partitions[number][position : position + 3])
        handed += [id(record) for record in before.ready()]
    assert handed + merged(Merging(before.lanes), partitions, chunks) == whole


def test_a_clock_never_goes_back_within_a_partition() -> None:
    one, other = records([1, 9, 2, 10]), records([5, 6, 20])
    merging = Merging([Lane(), Lane()])
    merging.add(0, one)
    merging.add(1, other)
    # The third of the first partition stands at its clock of 9, behind both of the other.
    assert [record.frame.header.received for record in merging.ready()] == [1, 5, 6, 9, 2]


def test_a_partition_that_is_far_ahead_is_not_read_further() -> None:
    merging = Merging([Lane(), Lane()])
    merging.add(0, records(list(range(1, 100))))
    assert merging.wants(0) is None
    assert merging.wants(1) == 0
