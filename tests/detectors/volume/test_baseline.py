"""What was learned of a principal, packed: short while little is known, and the same after it was unpacked."""

import pytest

from detectors.volume.baseline import NO_DAY, SIGNALS, WEEK, Baseline


def learned(days: int) -> Baseline:
    own = Baseline()
    for day in range(days):
        own.learn_hours(day, [[5.0 + day % 3], [12.0], [3.0], [2.0], [1.0]])
        own.learn_total(day, 0, 7.0, mature=False)
        own.days, own.last, own.hours = day + 1, day, day + 1
    return own


def test_nothing_is_packed_before_a_day() -> None:
    assert Baseline().pack() == b""
    assert Baseline.unpack(b"").days == 0


def test_crests_and_a_week_take_no_bytes_until_they_are_known() -> None:
    young, old = learned(1), learned(1)
    old.learn_crest(40, 3, 4.0)
    assert len(old.pack()) == len(young.pack()) + 2 * SIGNALS
    old.week[2] = 5
    old.packed = None
    assert len(old.pack()) == len(young.pack()) + 2 * SIGNALS + WEEK


@pytest.mark.parametrize("crest", [None, 4.0])
@pytest.mark.parametrize("week", [NO_DAY, -3])
@pytest.mark.parametrize("peaks", [[], [[9, 40, 1], [170, 255, 7]]])
def test_an_unpacked_baseline_is_the_same(crest: float | None, week: int, peaks: list[list[int]]) -> None:
    own = learned(20)
    if crest is not None:
        own.learn_crest(40, 3, crest)
    own.week[1] = week
    own.peaks = peaks
    own.shift_days, own.flagged_days, own.unsized = 3, 15, 200
    again = Baseline.unpack(own.pack())
    for name in own.__slots__:
        if name not in ("cached", "season"):
            assert getattr(again, name) == getattr(own, name), name
    assert again.pack() == own.pack()


@pytest.mark.parametrize("cut", [1, 40, -1, -8])
def test_a_baseline_that_was_cut_is_refused(cut: int) -> None:
    own = learned(3)
    own.learn_crest(40, 3, 4.0)
    own.week[0] = 1
    with pytest.raises(ValueError, match="baseline"):
        Baseline.unpack(own.pack()[:cut])
