"""Was everything logged and looked at between two moments? What is missing is named, and nobody sees a stranger's."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.coverage import Covered, Watched
from stream.directory import from_builtins
from stream.facts import Facts
from tests.detectors.streams import START, event
from tests.tocsin.coverage.history import busy, record_all
from tocsin.coverage.answer import Ask, answer
from tocsin.coverage.fold import Fold
from tocsin.coverage.stretches import joined, without
from tocsin_audit.event import AuditEvent, rfc3339

LOOKED = Watched(START - 100, START + 9_000, {"failed_auth": "1.0", "audit_gap": "1.0"})


def ask(
    events: Sequence[AuditEvent],
    moments: Sequence[float] | None = None,
    *,
    since: float = 0.0,
    until: float = 3600.0,
    watched: Sequence[Watched] = (LOOKED,),
    tree: dict[str, Any] | None = None,
    **asked: Any,
) -> dict[str, Any]:
    fold, made = Fold(), list[Covered]()
    for record in record_all(events, moments, until=9000):
        made += fold.take(record)
    asks = Ask(START + since, START + until, known=fold.known, **asked)
    return answer([*made, fold.present()], watched, asks, Facts(from_builtins(tree or {})))


def whole() -> list[AuditEvent]:
    """Both producers, with nothing missing."""
    return [one for one in busy() if one.producer == "p1"]


def test_everything_that_came_and_was_looked_at_is_said_to_be() -> None:
    told = ask(whole())
    assert (told["logged"], told["looked_at"], told["why"]) == (True, True, [])
    assert told["events"] == told["producers"][0]["received"] == len(whole())
    assert told["producers"][0]["heartbeat_s"] == 15.0
    assert [one["detector"] for one in told["detectors"]] == ["audit_gap", "failed_auth"]


def test_missing_numbers_are_named_with_their_time() -> None:
    told = ask(busy())
    assert not told["logged"]
    assert told["why"] == ["20 running numbers of p2 never came"]
    (gap,) = next(one for one in told["producers"] if one["producer"] == "p2")["gaps"]
    assert (gap["first"], gap["last"], gap["missing"], gap["filled"]) == (100, 119, 20, 0)
    assert gap["after"] == rfc3339(START + 98 * 5)


def test_a_gap_counts_for_the_time_that_it_lies_in() -> None:
    assert ask(busy(), until=400)["logged"]
    assert ask(busy(), since=700)["logged"]
    assert not ask(busy(), since=500, until=550)["logged"]


def filled(count: int) -> dict[str, Any]:
    """The answer when so many of the twenty that p2 lost came half an hour later."""
    events = busy()
    later = [event(495.0 + n, producer="p2", server="billing", run="p2-run", seq=100 + n) for n in range(count)]
    return ask([*events, *later], [*(one.time - START for one in events), *(2_000.0 for _ in later)])


def test_a_gap_that_was_filled_is_one_no_more_and_says_when() -> None:
    told = filled(20)
    assert told["logged"]
    (gap,) = told["producers"][1]["gaps"]
    assert (gap["missing"], gap["filled"], gap["filled_at"]) == (0, 20, rfc3339(START + 2_000))
    assert told["producers"][1]["late"] == 20


def test_a_gap_that_was_filled_in_part_says_how_far() -> None:
    told = filled(15)
    assert told["why"] == ["5 running numbers of p2 never came"]
    (gap,) = told["producers"][1]["gaps"]
    assert (gap["missing"], gap["filled"], gap["filled_at"]) == (5, 15, None)


def test_a_producer_that_was_silent_is_named_unless_it_was_planned() -> None:
    events = [one for one in busy(silent=(900, 2100)) if not 100 <= (one.seq or 0) < 120]
    events = [one for one in events if one.producer == "p1" or one.kind == "heartbeat"]
    told = ask(events)
    quiet = next(one for one in told["producers"] if one["producer"] == "p2")["silent"]
    assert [(one["from"], one["to"], one["planned"]) for one in quiet] == [
        (rfc3339(START + 900), rfc3339(START + 2100), False)
    ]
    assert "p2 fell silent for a while" in told["why"]
    window = {
        "kind": "maintenance",
        "server": "billing",
        "from": rfc3339(START + 800),
        "until": rfc3339(START + 2200),
    }
    planned = ask(events, tree={"windows": [window]})
    assert next(one for one in planned["producers"] if one["producer"] == "p2")["silent"][0]["planned"]
    assert "p2 fell silent for a while" not in planned["why"]


def test_a_producer_that_said_nothing_in_all_of_it_is_missed_and_one_that_said_goodbye_is_not() -> None:
    first = [one for one in busy() if one.time < START + 900]
    told = ask(first, since=1200, until=3600)
    assert {one["producer"] for one in told["producers"] if one["silent"]} == {"p1", "p2"}
    bye = [event(901.0, kind="lifecycle", reason="stopped", producer=name, tenant=None) for name in ("p1", "p2")]
    assert ask([*first, *bye], since=1200, until=3600)["producers"] == []


def test_what_the_inventory_expects_and_never_came_is_named() -> None:
    tree = {"servers": [{"name": "crm", "tenant": "acme", "producers": ["p1", "p9"]}]}
    told = ask(whole(), tree=tree)
    assert told["unheard"] == [{"producer": "p9", "server": "crm"}]
    assert not told["logged"]


def test_what_is_not_counted_yet_is_not_said_to_be_complete() -> None:
    told = ask(whole(), until=20_000)
    assert not told["logged"]
    assert told["why"][0].startswith("it is counted until ")
    empty = answer([], [], Ask(0.0, 10.0), Facts())
    assert empty["why"] == ["nothing was counted yet", "no detector is known to have looked"]


def test_refused_lines_are_a_loss_and_strangers_requests_are_not() -> None:
    def refused(**counts: int) -> dict[str, Any]:
        said = Watched(LOOKED.since, LOOKED.until, LOOKED.detectors, (), counts)
        return ask(whole(), watched=[said])

    assert refused(line=3)["why"] == ["3 lines or requests were refused"]
    assert refused(line=1)["why"] == ["1 line or request was refused"]
    assert refused(**{"401": 9})["logged"]
    assert refused(**{"401": 9})["refused"] == {"401": 9}


def test_what_a_detector_did_not_look_at_is_named() -> None:
    early = Watched(START - 100, START + 600, {"failed_auth": "1.0", "audit_gap": "1.0"})
    late = Watched(START + 1800, START + 9000, {"failed_auth": "1.0", "audit_gap": "1.0"}, ("audit_gap",))
    told = ask(whole(), watched=[early, late])
    assert told["logged"]
    assert not told["looked_at"]
    assert told["detectors"][1]["not_looked_at"] == [{"from": rfc3339(START + 600), "to": rfc3339(START + 1800)}]
    assert told["detectors"][0]["failed"] == 1


def test_before_the_log_began_there_was_nothing_to_look_at() -> None:
    said = Watched(START + 1000, START + 9000, LOOKED.detectors)
    assert not ask(whole(), watched=[said])["looked_at"]
    assert ask(whole(), watched=[said], began=START + 1000)["looked_at"]
    assert ask(whole(), watched=[], until=600, began=START + 1000)["looked_at"]


def test_a_producer_or_a_server_can_be_asked_for_alone() -> None:
    assert [one["producer"] for one in ask(busy(), producer="p1")["producers"]] == ["p1"]
    assert [one["producer"] for one in ask(busy(), server="billing")["producers"]] == ["p2"]
    assert ask(busy(), producer="p1")["logged"]


def test_a_tenants_analyst_sees_producers_of_that_tenant_alone() -> None:
    told = ask(busy(), tenants=frozenset({"acme"}))
    assert [one["producer"] for one in told["producers"]] == ["p1"]
    assert told["logged"], "what globex lost is not told"
    assert "globex" not in repr(told)
    assert "billing" not in repr(told)
    assert "refused" not in told


def test_of_a_producer_that_several_share_each_sees_its_own_events() -> None:
    both = [event(float(t), producer="gw", tenant=("acme", "globex")[t % 3 == 0], user="u") for t in range(3000)]
    told = ask(both, tenants=frozenset({"acme"}))
    assert told["producers"] == [{"producer": "gw", "shared": True, "received": 2000}]


@given(
    st.sampled_from(["acme", "globex", "initech"]),
    st.lists(st.tuples(st.sampled_from(["acme", "globex", "initech", None]), st.integers(0, 3)), max_size=30),
)
@settings(derandomize=True, deadline=None, max_examples=40)
def test_strangers_events_change_nothing_that_an_analyst_is_told(
    mine: str, others: list[tuple[str | None, int]]
) -> None:
    own = [event(100.0 + t, producer="mine", tenant=mine, user="u", run="m", seq=t) for t in range(20)]
    foreign = [
        event(100.0 + at, producer=f"theirs-{number}", tenant=tenant, user="v", run="o", seq=at * 3)
        for at, (tenant, number) in enumerate(others)
        if tenant != mine
    ]
    alone = ask(own, tenants=frozenset({mine}), until=600)
    assert ask([*own, *foreign], tenants=frozenset({mine}), until=600) == alone


@given(
    st.integers(0, 50),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20)), max_size=12),
)
@settings(derandomize=True, deadline=None)
def test_what_lies_in_none_of_the_stretches_is_what_is_left(
    begin: int, length: int, drawn: list[tuple[int, int]]
) -> None:
    stretches = [(first, first + size) for first, size in drawn]
    inside = {moment for first, last in stretches for moment in range(first, last)}
    left = without(begin, begin + length, stretches)
    assert {moment for first, last in left for moment in range(first, last)} == set(
        range(begin, begin + length)
    ) - inside
    assert {moment for first, last in joined(stretches) for moment in range(first, last)} == inside
