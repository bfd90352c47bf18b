"""Hours of guesses: summed up from their minutes when they close, and what comes late added to both."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.authentication.bout import NOBODY, Bout, Bouts, SlowBouts
from detectors.authentication.guessing import Guessing
from detectors.authentication.reasons import Attempt
from stream.clock import LATENESS
from tests.detectors.streams import HOUR, MINUTE, START, failure

GUESSES = st.tuples(
    st.integers(0, 300),  # minutes that the clock goes on before it
    st.sampled_from([0, 0, 0, 1, 70, 130, 200]),  # minutes that it is older than the clock
    st.integers(1, 4),  # where it came from
    st.integers(1, 9),  # which token was tried
    st.booleans(),  # whether it is gathered elsewhere
    st.booleans(),  # whether what was gathered elsewhere is merged before it
    st.booleans(),  # whether the state is packed before it
)


def counted(cells: dict[int, Bout]) -> dict[int, Any]:
    """How often something failed by hour, and what was tried from where."""
    return {
        hour: (
            bout.extent.count,
            {key: (tries.request, sorted(tries.tokens.keys)) for key, tries in bout.tries.items()},
        )
        for hour, bout in cells.items()
    }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(GUESSES, min_size=1, max_size=24))
def test_a_closed_hour_holds_what_was_counted_whenever_it_came_and_was_packed(guesses: list[Any]) -> None:
    state, elsewhere, expected, clock = Guessing(), Guessing(), SlowBouts(), START
    opened: set[float] = set()
    for passed, old, place, token, gathered, merged, packed in guesses:
        clock += passed * MINUTE
        if merged:
            state.fold(elsewhere)
            elsewhere = Guessing()
        if packed:
            state.rest(clock)
        for end in sorted(end for end in opened if end + LATENESS <= clock):
            opened.remove(end)
            state.close(end)
        tried = failure(clock - old * MINUTE - START)
        attempt = Attempt("signature", "token", token)
        end = tried.time // HOUR * HOUR + HOUR
        if end + LATENESS > clock and not gathered:
            opened.add(end)
        (elsewhere if gathered else state).count(place, NOBODY, attempt, tried, clock)
        if Bouts().holds(tried.time, clock):
            expected.cell(tried.time).add(place, NOBODY, attempt, tried)
    state.fold(elsewhere)
    state.close(clock + 2 * HOUR)
    # What is held no longer may or may not have been packed away.
    state.rest(clock)
    expected.forget(clock)
    assert counted(state.hours.cells if state.hours is not None else {}) == counted(expected.cells)
