"""Denials in the store and on their way to the listeners, and steps of runbooks, through the alert task."""

from collections.abc import Callable
from typing import Any

import pytest

from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.queries import Filter, list_incidents, show
from alerting.response.announce import REPEAT, Announcer, standing
from alerting.response.containment import Approval, Containment
from alerting.response.denial_list import denials
from alerting.response.progress import progress
from alerting.runbook import Runbooks
from alerting.task import AlertTask, act_frame
from collector.denials import Board
from stream.control import Act, Denied, Deny, Lift, Obeyed, Performed, Stepped
from stream.errors import StorageError
from stream.sqlite import SqliteLog
from tests.alerting.world import NOON, a_finding, findings_frame, put

BOOKS = Runbooks()


class Rejections:
    """Remembers which acts were not done."""

    def __init__(self) -> None:
        self.why: list[str] = []

    def decided(self, *_: Any) -> None:
        pass

    def attempted(self, *_: Any) -> None:
        pass

    def rejected(self, _: Act, why: str) -> None:
        self.why.append(why)


@pytest.fixture
def worked(log: SqliteLog, store: Store) -> tuple[str, Callable[..., list[str]]]:
    """An incident, and a function that carries out acts and answers why some were not."""
    seen = Rejections()
    rules = Containment(most=2, approvals=(Approval(("brute",), ("source_ip",), 600.0),))
    task = AlertTask(log, store, Policies(containment=rules), observer=seen)
    put(log, findings_frame([a_finding()], NOON, 0))
    task.advance(wait=0)
    (incident,) = list_incidents(store, Filter())

    def act(*acts: Act, at: float = NOON + 1) -> list[str]:
        seen.why.clear()
        put(log, *(act_frame(one, at) for one in acts))
        task.advance(wait=0)
        return list(seen.why)

    return incident.id, act


def a_denial(incident: str, id_: str = "a" * 32, **more: Any) -> Deny:
    made: dict[str, Any] = {
        "until": NOON + 600,
        "by": "ann",
        "at": NOON + 1,
        "subject": (("source_ip", "203.0.113.9"),),
    }
    return Deny(id=id_, incident=incident, **(made | more))


def timeline(store: Store, incident: str) -> list[str]:
    return [f"{one['change']}: {one['note']}" for one in show(store, incident, BOOKS)["timeline"]]


def test_a_denial_is_made_once_however_often_it_is_read(worked: Any, store: Store) -> None:
    incident, act = worked
    assert act(a_denial(incident), a_denial(incident)) == []
    assert len(denials(store, NOON + 2)) == 1
    assert sum(line.startswith("denied") for line in timeline(store, incident)) == 1
    assert act(a_denial("f" * 32, "b" * 32)) == ["there is no such incident"]


def test_limits_hold_at_the_decision_and_an_approval_that_failed_is_written_down(worked: Any, store: Store) -> None:
    incident, act = worked
    assert act(a_denial(incident, "1" * 32), a_denial(incident, "2" * 32)) == []
    (why,) = act(a_denial(incident, "3" * 32, automatic="brute", by="tocsin"))
    assert "2 denials hold already" in why
    assert any("not refused: source_ip=203.0.113.9" in line for line in timeline(store, incident))


def test_what_was_told_twice_changes_nothing_and_what_was_not_is_told_after_a_crash(worked: Any, store: Store) -> None:
    incident, act = worked
    act(a_denial(incident))
    said: list[Denied] = []
    board = Board()

    def dies_after(denied: Denied) -> None:
        said.append(denied)
        board.apply(denied, NOON + 2)
        raise StorageError("killed between saying and recording")

    with pytest.raises(StorageError):
        Announcer(store, dies_after).turn(NOON + 2)
    before = board.denials

    def lives(denied: Denied) -> None:
        said.append(denied)
        board.apply(denied, NOON + 3)

    again = Announcer(store, lives)
    assert again.turn(NOON + 3) == 1
    assert said[0] == said[1]
    assert board.denials is before
    assert again.turn(NOON + 4) == 0
    assert again.turn(NOON + 4 + REPEAT) == 1
    assert standing(store, NOON + 5) == [said[0]]
    assert act(Lift("a" * 32, "ann", NOON + 310)) == []
    assert again.turn(NOON + 311) == 1
    assert said[-1].until == 0.0
    assert board.denials == ()
    assert again.turn(NOON + 312) == 0
    assert again.turn(NOON + 312 + REPEAT) == 0
    assert standing(store, NOON + 312) == []
    assert act(Lift("a" * 32, "ann", NOON + 313)) == ["there is no such denial, or it has ended"]


def test_who_obeys_is_counted_and_told_once_all_do(worked: Any, store: Store) -> None:
    incident, act = worked
    act(a_denial(incident), Obeyed("a" * 32, ("p1", "p2"), False, NOON + 1))
    act(Obeyed("a" * 32, ("p1",), True, NOON + 1.5))
    (one,) = denials(store, NOON + 2)
    assert (one["confirmed"], one["producers"], one["waiting_for"]) == (1, 2, ["p2"])
    assert not any(line.startswith("obeyed") for line in timeline(store, incident))
    act(Obeyed("a" * 32, ("p2",), True, NOON + 2.0), Obeyed("a" * 32, ("p1",), True, NOON + 9.0))
    (one,) = denials(store, NOON + 2)
    assert (one["confirmed"], one["confirmed_after_s"]) == (2, 1.0)
    (told,) = [line for line in timeline(store, incident) if line.startswith("obeyed")]
    assert "confirmed by 2 of 2 producers after 1.0 s" in told


def test_two_people_work_on_a_runbook_without_doing_a_step_twice(worked: Any, store: Store) -> None:
    incident, act = worked

    def step(name: str, state: str, by: str, **more: Any) -> Stepped:
        return Stepped(incident, name, state, by, NOON + 2, **more)

    assert act(step("save-evidence", "started", "ann"), step("save-evidence", "started", "ann")) == []
    (why,) = act(step("save-evidence", "started", "bob"))
    assert why.startswith("ann has been at save-evidence since ")
    assert act(step("save-evidence", "open", "bob"), step("save-evidence", "started", "bob")) == []
    assert act(step("save-evidence", "done", "bob", note="on the share")) == []
    (why,) = act(step("save-evidence", "done", "ann"))
    assert "was done by bob" in why
    assert act(step("tell-security", "skipped", "ann")) == ["skipping a step takes a reason: -m 'why'"]
    assert act(step("fix-cause", "planned", "ann", owner="kim", due=NOON + 86_400)) == []
    with store.unit() as unit:
        record = unit.record(incident)
    assert record is not None
    book = progress(store, BOOKS, record, NOON + 3600)
    steps = {one["id"]: one for phase in book["phases"] for one in phase["steps"]}
    assert (steps["save-evidence"]["state"], steps["save-evidence"]["by"]) == ("done", "bob")
    assert steps["tell-security"]["late"]
    assert not steps["save-evidence"]["late"]
    assert (steps["fix-cause"]["owner"], steps["fix-cause"]["late"]) == ("kim", False)
    assert progress(store, BOOKS, record, NOON + 86_401)["late"] > book["late"]
    assert book["ended"] == 1
    assert act(step("save-evidence", "open", "ann")) == []


def test_what_was_done_elsewhere_stands_in_the_timeline_once(worked: Any, store: Store) -> None:
    incident, act = worked
    done = Performed("p" * 32, incident, "block", "done", "ann", NOON + 2, "HTTP 200")
    assert act(Performed("p" * 32, incident, "block", "attempting", "ann", NOON + 1), done, done) == []
    lines = [line for line in timeline(store, incident) if line.startswith("action")]
    assert lines == ["action: block attempting", "action: block done: HTTP 200"]
