from detectors.parts.frozen import AHEAD, Frozen


def test_a_value_counts_from_ten_minutes_after_the_cell_it_was_learned_from() -> None:
    value: Frozen[int] = Frozen()
    value.learn(5, 3_600.0)
    assert value.at(3_600.0 + AHEAD - 1) is None
    assert value.at(3_600.0 + AHEAD) == 5


def test_the_value_before_still_counts_for_events_from_before() -> None:
    value: Frozen[int] = Frozen()
    value.learn(5, 3_600.0)
    value.learn(7, 7_200.0)
    assert (value.at(7_200.0), value.at(7_200.0 + AHEAD)) == (5, 7)


def test_a_cell_settled_out_of_turn_changes_nothing() -> None:
    value: Frozen[int] = Frozen()
    value.learn(5, 7_200.0)
    value.learn(9, 3_600.0)
    assert value.at(1e9) == 5


def test_a_value_survives_packing_and_an_empty_one_is_nothing() -> None:
    value: Frozen[int] = Frozen()
    assert value.pack() is None
    value.learn(5, 3_600.0)
    value.learn(6, 7_200.0)
    again: Frozen[int] = Frozen.unpack(value.pack())
    assert (again.current, again.since, again.previous) == (6, 7_200.0 + AHEAD, 5)
    assert Frozen.unpack(None).pack() is None


def test_a_margin_of_ones_own_is_kept() -> None:
    value: Frozen[int] = Frozen()
    value.learn(5, 60.0, 300.0)
    assert value.at(360.0) == 5
