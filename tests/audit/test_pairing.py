"""Requests and responses meet, each once."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.pairing import Answered, Pairing, Stray


def answer(name: str, now: float = 0.0) -> Answered:
    return Answered(name, 1, now)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), unique=True), st.randoms())
def test_in_any_order_each_pair_meets_once(keys: list[tuple[str, int]], random: object) -> None:
    pairing: Pairing[str] = Pairing()
    steps = [("ask", *key) for key in keys] + [("answer", *key) for key in keys]
    getattr(random, "shuffle")(steps)  # noqa: B009  # hypothesis types its Random as an object
    met = []
    for what, channel, number in steps:
        name = f"{channel}{number}"
        if what == "ask":
            early = pairing.ask(channel, str(number), name, 0.0)
            met += [(name, early.message)] if early is not None else []
        else:
            found = pairing.answer(channel, str(number), answer(name))
            assert not isinstance(found, Stray)
            met += [(found, name)] if found is not None else []
    assert sorted(met) == sorted((f"{c}{n}", f"{c}{n}") for c, n in keys)
    assert pairing.strays(1e9) == []
    assert len(pairing) == 0


def test_a_second_answer_is_a_double_and_one_that_nobody_asked_for_an_orphan() -> None:
    pairing: Pairing[str] = Pairing()
    pairing.ask("s", "1", "request", 0.0)
    assert pairing.answer("s", "1", answer("one")) == "request"
    assert pairing.answer("s", "1", answer("two")) == Stray("s", "1", "double", answer("two"))
    assert pairing.answer("s", "2", answer("three", 10.0)) is None
    assert pairing.strays(14.0) == []
    assert [stray.kind for stray in pairing.strays(15.0)] == ["orphan"]
    assert pairing.strays(99.0) == []


def test_a_channel_knows_only_its_own_requests() -> None:
    pairing: Pairing[str] = Pairing()
    pairing.ask("alice", "1", "hers", 0.0)
    pairing.ask("bob", "1", "his", 0.0)
    assert pairing.answer("bob", "1", answer("x")) == "his"
    assert pairing.only("alice") == "1"
    assert pairing.close("alice") == ["hers"]
    assert pairing.only("alice") is None


def test_an_id_that_is_used_again_waits_again() -> None:
    pairing: Pairing[str] = Pairing()
    for name in ("first", "second"):
        pairing.ask("s", "1", name, 0.0)
        assert pairing.answer("s", "1", answer("x")) == name


def test_what_was_pushed_out_is_never_called_a_stray() -> None:
    pairing: Pairing[str] = Pairing(most=2)
    for number in range(3):
        pairing.ask("s", str(number), "request", 100.0)
    assert len(pairing) == 2
    assert pairing.answer("s", "0", answer("late", 101.0)) is None
    assert pairing.strays(200.0) == []


def test_a_request_without_an_answer_is_given_up() -> None:
    pairing: Pairing[str] = Pairing()
    pairing.ask("s", "1", "request", 0.0)
    assert pairing.overdue(599.0) == []
    assert pairing.overdue(600.0) == ["request"]
    pairing.ask("s", "2", "other", 0.0)
    assert pairing.forget("s", "2") == "other"
    assert pairing.forget("s", "2") is None
