"""Who is in good standing: whether a state was packed meanwhile, and forgot what it holds no longer, shows nowhere."""

from detectors.authentication.bout import REMEMBERED, SETTLED, Regular
from detectors.parts.habit import Habit
from detectors.parts.moments import HELD, Sightings

KEY = 7
WON = 29_760_000


def known(wins: Sightings, minute: int) -> bool:
    regular = Regular(Habit(), wins, minute * 60.0)
    assert (KEY in regular.known()) == regular.knows(KEY)
    return regular.knows(KEY)


def won() -> Sightings:
    wins = Sightings()
    wins.add(KEY, WON)
    return wins


def test_a_success_counts_once_it_is_settled_and_for_less_than_it_is_held() -> None:
    minutes = [minute for minute in range(WON - 5, WON + 2 * HELD) if known(won(), minute)]
    assert minutes == list(range(WON + SETTLED, WON + REMEMBERED + 1))


def test_what_a_rested_state_forgot_counted_no_more() -> None:
    for minute in range(WON, WON + 2 * HELD):
        rested = won()
        rested.forget(minute + 3 - HELD)  # the clock is up to three minutes ahead of an event that is on time
        assert known(rested, minute) == known(won(), minute)
