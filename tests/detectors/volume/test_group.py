"""Groups: what members told of closed cells, in any order and from any number of workers, moves them alike."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.engine.state import Codec
from detectors.volume.group import SAMPLE, Group, Told

DAYS = 4


def hour(chance: Random, number: int, members: int, lifted: float = 1.0) -> list[Told]:
    return [
        Told(number * 12 + five, member * 7919 + 1, max(1, round(chance.uniform(5, 9) * lifted)), 1_000, 5)
        for member in range(members)
        for five in range(12)
        if chance.random() < 0.5
    ]


def settled(told: list[Told], hours: range) -> tuple[bytes, list[list[int]]]:
    group = Group()
    summaries = []
    for number in hours:
        for one in told:
            if one.five // 12 == number:
                group.add(one)
        for five in range(number * 12, number * 12 + 12):
            group.settle_five(five)
        summaries.append(list(group.told))
        group.settle_hour(number)
        summaries.append(list(group.told))
        if number % 24 == 23:
            group.settle_day(number // 24)
            summaries.append(list(group.told))
    return Codec(Group).pack(group), summaries


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, SAMPLE + 20))
def test_the_order_in_which_members_tell_does_not_matter(seed: int, members: int) -> None:
    chance = Random(seed)
    told = [one for number in range(48) if 8 <= number % 24 < 17 for one in hour(chance, number, members)]
    expected = settled(told, range(48))
    chance.shuffle(told)
    assert settled(told, range(48)) == expected


def test_a_movement_of_the_many_is_told_and_one_member_s_burst_is_not() -> None:
    chance = Random(1)
    told = [one for number in range(DAYS * 24) for one in hour(chance, number, 12)]
    now = DAYS * 24
    alone = [*hour(chance, now, 12), Told(now * 12 + 3, 1, 5_000, 1_000_000, 5)]
    _, quiet = settled(told + alone, range(now + 1))
    _, lifted = settled(told + hour(chance, now, 12, lifted=6.0), range(now + 1))
    assert quiet[-2][0] >= 5
    assert quiet[-2][1] < 128, "half an octave"
    assert lifted[-2][1] > 2 * 256
