"""Shedding in the stated order, one after the other, never what finds log-ins or other tenants' data."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.discovery import detector_names
from stream.control import Shed
from tocsin.learning.shedding import BOUND, SHEDDABLE, Shedding, decide

THERE = ("audit_gap", "cross_tenant", "failed_auth", "novelty", "outlier")


def test_the_outlier_goes_first_and_novelty_next_and_nothing_else_ever() -> None:
    shed: tuple[str, ...] = ()
    history = []
    for _ in range(5):
        shed = decide(shed, BOUND + 1, THERE)
        history.append(shed)
    assert history == [("outlier",), *[("outlier", "novelty")] * 4]


def test_they_come_back_one_by_one_in_the_other_order_once_most_is_looked_at() -> None:
    assert decide(("outlier", "novelty"), BOUND * 0.9, THERE) == ("outlier", "novelty")
    assert decide(("outlier", "novelty"), 1.0, THERE) == ("outlier",)
    assert decide(("outlier",), 1.0, THERE) == ()
    assert decide((), 1.0, THERE) == ()


@given(st.frozensets(st.sampled_from(THERE)), st.floats(0, 1e6), st.frozensets(st.sampled_from(THERE)))
def test_what_is_shed_runs_and_may_be_shed(shed: frozenset[str], lag: float, there: frozenset[str]) -> None:
    assert set(decide(shed, lag, there)) <= set(SHEDDABLE) & there


def test_log_ins_and_other_tenants_data_are_always_looked_at() -> None:
    assert {"failed_auth", "cross_tenant", "data_volume", "audit_gap"} <= set(detector_names())
    assert not {"failed_auth", "cross_tenant", "data_volume", "audit_gap"} & set(SHEDDABLE)


class World:
    def __init__(self) -> None:
        self.lag: float | None = 0.0
        self.obeyed: frozenset[str] = frozenset()
        self.told: list[Shed] = []
        self.ends = False
        self.shedding = Shedding(lambda: self.lag, lambda: self.obeyed, self.told.append, THERE, lambda _: self.ends)

    def obey(self) -> None:
        self.obeyed = frozenset(self.told[-1].detectors)


def test_nothing_more_is_decided_before_the_detectors_have_come_to_what_was() -> None:
    world = World()
    world.lag = 100.0
    for _ in range(5):
        world.shedding.turn()
    assert world.told == [Shed(("outlier",))]
    world.obey()
    for _ in range(5):
        world.shedding.turn()
    assert world.told == [Shed(("outlier",)), Shed(("outlier", "novelty"))]
    world.obey()
    world.lag = 2.0
    world.shedding.turn()
    assert world.told[-1] == Shed(("outlier",))


def test_what_a_process_left_shed_that_died_is_taken_up_again() -> None:
    world = World()
    world.obeyed = frozenset({"outlier"})
    world.shedding.turn()
    assert world.told == [Shed(())]


def test_nothing_is_shed_while_history_is_caught_up_with_or_all_ends() -> None:
    world = World()
    world.lag = None
    world.shedding.turn()
    world.lag, world.ends = 1000.0, True
    world.shedding.turn()
    assert world.told == []
