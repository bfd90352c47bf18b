import msgspec
import pytest
from sqlalchemy import func, select

from alerting.database.schema import MENTIONS
from alerting.database.store import Store
from alerting.incidents.linking import CROWD, WITHIN, Mention, links, mentions
from alerting.queries import Filter, list_incidents, why
from alerting.task import AlertTask, act_frame
from stream.control import Linked
from stream.finding import Finding
from stream.sqlite import SqliteLog
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.test_task import a_task
from tests.alerting.world import NOON, a_finding, findings_frame, put

ADDRESS = {"source_ip": ("203.0.113.9",)}


def guess(user: str, at: float = NOON, facts: dict[str, tuple[str, ...]] | None = None) -> Finding:
    return a_finding(entity={"user": user}, at=at, facts=ADDRESS if facts is None else facts)


def test_an_incident_is_linked_by_what_it_is_about_and_by_what_its_findings_saw() -> None:
    record = a_record(guess("alice", facts={"source_ip": ("203.0.113.9",), "server": ("billing",)}))
    assert [(one.key, one.value) for one in mentions(record)] == [("user", "alice"), ("source_ip", "203.0.113.9")]


def test_a_link_says_what_both_name() -> None:
    record = a_record(guess("alice"))
    others = [Mention("source_ip", "203.0.113.9", "b", NOON), Mention("user", "alice", "b", NOON)]
    assert [(one.other, one.why) for one in links(record, others)] == [
        ("b", "both name address 203.0.113.9, user alice"),
    ]


def test_what_a_crowd_names_or_what_is_long_ago_links_nothing() -> None:
    record = a_record(guess("alice"))
    crowd = [Mention("source_ip", "203.0.113.9", f"i{n}", NOON) for n in range(CROWD)]
    assert links(record, crowd) == []
    assert len(links(record, crowd[1:])) == CROWD - 1
    assert links(record, [Mention("user", "alice", "b", NOON - WITHIN - 1)]) == []


def linked(store: Store) -> dict[str, list[str]]:
    found = {one.entity["user"]: one.id for one in list_incidents(store, Filter(state="all"))}
    names = {id_: user for user, id_ in found.items()}
    return {user: sorted(names[tie["incident"]] for tie in why(store, id_)["links"]) for user, id_ in found.items()}


def test_incidents_that_name_the_same_address_are_linked_within_and_over_frames(log: SqliteLog, store: Store) -> None:
    put(log, findings_frame([guess("alice"), guess("bob")], NOON, 0), findings_frame([guess("carol")], NOON + 60, 1))
    put(log, findings_frame([guess("dave", facts={})], NOON + 61, 2))
    a_task(log, store).advance(wait=0)
    assert linked(store) == {
        "alice": ["bob", "carol"],
        "bob": ["alice", "carol"],
        "carol": ["alice", "bob"],
        "dave": [],
    }


def test_an_address_of_a_crowd_stops_linking_and_little_is_kept_of_it(log: SqliteLog, store: Store) -> None:
    for number in range(3 * CROWD):
        put(log, findings_frame([guess(f"u{number}")], NOON + number, number))
    task = a_task(log, store)
    while task.advance(wait=0):
        pass
    assert linked(store)[f"u{3 * CROWD - 1}"] == []
    with store.reading() as connection:
        kept = select(func.count()).where(MENTIONS.c.key == "source_ip")
        assert connection.execute(kept).scalar_one() == CROWD + 1


def ids(store: Store) -> dict[str, str]:
    return {one.entity["user"]: one.id for one in list_incidents(store, Filter(state="all"))}


def test_a_link_that_was_cut_is_made_again_only_by_an_operator(log: SqliteLog, store: Store) -> None:
    put(log, findings_frame([guess("alice"), guess("bob")], NOON, 0))
    task = a_task(log, store)
    task.advance(wait=0)
    both = ids(store)
    cut = Linked(one=both["alice"], other=both["bob"], by="ann", at=NOON + 1, why="an office", cut=True)
    again = msgspec.structs.replace(guess("alice"), id="f2")
    put(log, act_frame(cut, NOON + 1), findings_frame([again], NOON + 2, 1))
    task.advance(wait=0)
    assert linked(store) == {"alice": [], "bob": []}
    tied = Linked(one=both["alice"], other=both["bob"], by="ann", at=NOON + 3, why="the same contractor")
    put(log, act_frame(tied, NOON + 3))
    task.advance(wait=0)
    (tie,) = why(store, both["bob"])["links"]
    assert (tie["why"], tie["by"]) == ("the same contractor", "ann")


@pytest.mark.parametrize("cut", [True, False])
def test_a_link_needs_two_incidents(log: SqliteLog, store: Store, cut: bool) -> None:
    put(log, findings_frame([guess("alice")], NOON, 0))
    task: AlertTask = a_task(log, store)
    task.advance(wait=0)
    own = ids(store)["alice"]
    for other in (own, "f" * 32):
        put(log, act_frame(Linked(one=own, other=other, by="ann", at=NOON, cut=cut), NOON))
    task.advance(wait=0)
    assert why(store, own)["links"] == []
