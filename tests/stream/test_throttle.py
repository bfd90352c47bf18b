"""A throttle lets through so much in so long, for each key, and forgets keys in place of growing."""

from hypothesis import given
from hypothesis import strategies as st

from stream.throttle import Throttle


@given(times=st.lists(st.floats(0, 100), min_size=1, max_size=200).map(sorted))
def test_in_any_stretch_no_more_than_its_share_goes_through(times: list[float]) -> None:
    throttle = Throttle(5, 10.0)
    let = [at for at in times if throttle.spend("a", at)]
    for begin, first in enumerate(let):
        for end in range(begin, len(let)):
            assert end - begin + 1 <= 5 + (let[end] - first) / 2 + 1e-6


def test_after_the_wait_there_is_one() -> None:
    throttle = Throttle(2, 10.0)
    assert throttle.spend("a", 0.0)
    assert throttle.spend("a", 0.0)
    assert not throttle.spend("a", 0.0)
    wait = throttle.wait("a", 0.0)
    assert 0 < wait <= 5.0
    assert throttle.spend("a", wait)
    assert throttle.spend("b", 0.0), "another key has its own"


def test_what_is_larger_than_the_bucket_goes_through_once_as_a_debt() -> None:
    throttle = Throttle(10, 10.0)
    assert throttle.spend("a", 0.0, 50.0)
    assert not throttle.spend("a", 49.0, 50.0)
    assert throttle.spend("a", 50.0, 50.0)


def test_many_keys_do_not_grow_it() -> None:
    throttle = Throttle(1, 10.0, keys=10)
    for number in range(1_000):
        throttle.spend(str(number), 0.0)
    assert len(throttle._buckets) == 10
