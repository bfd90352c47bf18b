"""What follows a denial: actions that were approved with it, each once and within limits, and whether it stopped."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.queries import Filter, list_incidents, show
from alerting.response.acting import CONFIRM, CONFIRM_AFTER, GRACE, Acting
from alerting.response.containment import Approval, Containment
from alerting.response.outside import Action, Template
from alerting.response.progress import actions
from alerting.response.scope import covers
from alerting.runbook import Runbooks
from alerting.task import AlertTask, act_frame
from stream.control import Deny, Lift, Performed
from stream.frame import Header, pack
from stream.log import EVENTS
from stream.sqlite import SqliteLog
from tests.alerting.response.test_outside import Side
from tests.alerting.world import NOON, a_finding, findings_frame, put
from tocsin_audit.denials import Denials
from tocsin_audit.event import AuditEvent

BAD = "203.0.113.9"


class EndedError(Exception):
    """The process ends."""


class World:
    """An incident, a gateway, and rules by which its source is refused and then blocked at the gateway."""

    def __init__(self, log: SqliteLog, store: Store, side: Side) -> None:
        self.log, self.store, self.side = log, store, side
        request = Template(f"{side.url}/block/{{{{ source_ip | urlencode }}}}", headers={"x-key": "{{ secret.key }}"})
        undo = Template(f"{side.url}/free/{{{{ source_ip | urlencode }}}}", headers={"x-key": "{{ secret.key }}"})
        block = Action(request, verify=request, undo=undo, secrets={"key": "k3y"})
        named = Action(Template(f"{side.url}/lock", body="{{ user }}"))
        approval = Approval(("brute",), ("source_ip",), 600.0, most=1, actions=(("block", block), ("lock", named)))
        self.rules = Containment(approvals=(approval,))
        self.task = AlertTask(log, store, Policies(containment=self.rules))
        put(log, findings_frame([a_finding()], NOON, 0))
        self.fold()
        (self.incident,) = [one.id for one in list_incidents(store, Filter())]
        self.acting = Acting(store, log, self.rules, self.act)

    def fold(self) -> None:
        while self.task.advance(wait=0):
            pass

    def act(self, *acts: Any) -> None:
        put(self.log, *(act_frame(one, one.at) for one in acts))
        self.fold()

    def deny(self, id_: str, source: str = BAD, *, automatic: str = "brute", at: float = NOON + 1) -> None:
        self.act(
            Deny(
                id=id_,
                subject=(("source_ip", source),),
                until=at + 600,
                incident=self.incident,
                by="tocsin",
                at=at,
                automatic=automatic,
            )
        )

    def done(self) -> dict[str, str]:
        return {one["action"]: one["state"] for one in actions(self.store, self.incident)}

    def asked(self) -> list[str]:
        return [path for _, path, _ in self.side.asked]


@pytest.fixture
def world(log: SqliteLog, store: Store) -> Iterator[World]:
    with Side() as side:
        threading.Thread(target=side.serve_forever, daemon=True).start()
        yield World(log, store, side)
        side.shutdown()


def test_what_was_approved_is_done_once_verified_and_undone_with_the_denial(world: World) -> None:
    world.deny("a" * 32)
    world.acting.turn(NOON + 2)
    assert world.done() == {"block": "verified", "lock": "failed"}
    assert world.asked() == [f"/block/{BAD}"] * 2, "done, and verified"
    assert world.acting.turn(NOON + 3) == 0
    assert world.acting.turn(NOON + 4) == 0
    world.act(Lift("a" * 32, "ann", NOON + 5))
    world.acting.turn(NOON + 6)
    assert world.done()["block (undo)"] == "undone"
    assert world.asked()[-1] == f"/free/{BAD}"
    assert world.acting.turn(NOON + 7) == 0
    notes = [one["note"] for one in show(world.store, world.incident, Runbooks())["timeline"]]
    assert any(note.startswith("block verified") for note in notes)


def test_an_action_knows_nobody_but_whom_the_limits_let_through(world: World) -> None:
    world.deny("a" * 32)
    world.acting.turn(NOON + 2)
    failed = next(one for one in actions(world.store, world.incident) if one["action"] == "lock")
    assert "'user' is undefined" in failed["result"], "the incident names a user, but the denial is of a source"
    assert "/lock" not in world.asked()


def test_beyond_the_limit_nothing_is_done_and_without_an_approval_neither(world: World) -> None:
    world.deny("a" * 32)
    world.deny("b" * 32, "203.0.113.10")
    world.deny("c" * 32, "203.0.113.11", automatic="")
    world.acting.turn(NOON + 2)
    assert {path for path in world.asked() if path.startswith("/block")} == {f"/block/{BAD}"}


def test_what_was_begun_before_a_crash_is_not_done_again(world: World) -> None:
    world.deny("a" * 32)

    def dies(act: Performed) -> None:
        world.act(act)
        raise EndedError

    with pytest.raises(EndedError):
        Acting(world.store, world.log, world.rules, dies).turn(NOON + 2)
    assert world.done() == {"block": "attempting"}
    assert world.acting.turn(NOON + 3) == 1, "the other one is"
    assert world.done() == {"block": "attempting", "lock": "failed"}
    assert world.asked() == []


def test_a_word_that_another_said_first_is_left_to_them(world: World) -> None:
    world.deny("a" * 32)
    first: list[Performed] = []

    def late(act: Performed) -> None:
        if not first:
            first.append(act)
            world.act(Performed(act.id, act.incident, act.action, "attempting", "tocsin", NOON + 1.5))
        world.act(act)

    Acting(world.store, world.log, world.rules, late).turn(NOON + 2)
    assert world.done()["block"] == "attempting"
    assert world.asked() == []


@pytest.mark.parametrize(
    ("subject", "tenant", "covered"),
    [
        ((("source_ip", BAD),), None, True),
        ((("source_ip", BAD), ("tenant", "acme")), "acme", True),
        ((("source_ip", BAD), ("tenant", "acme")), None, True),
        ((("source_ip", BAD), ("tenant", "acme")), "globex", False),
        ((("tenant", "acme"),), None, False),
        ((), "acme", False),
    ],
)
def test_a_denial_is_about_the_calls_that_middleware_refuses(
    subject: tuple[tuple[str, str], ...], tenant: str | None, covered: bool
) -> None:
    assert covers(subject, AuditEvent(time=NOON, server="crm", source_ip=BAD, tenant=tenant)) is covered
    facts = {"server": "crm", "source_ip": BAD, "tenant": tenant}
    listed = Denials([{"id": "d", "subject": dict(subject), "until": 9e9, "incident": "i"}] if subject else [])
    assert (listed.find(facts, NOON) is not None) is covered


@pytest.mark.parametrize(("calls_at", "state"), [(NOON + 5, "verified"), (NOON + 60, "failed")])
def test_after_two_minutes_the_timeline_says_whether_it_stopped(world: World, calls_at: float, state: str) -> None:
    assert GRACE > 5
    world.deny("a" * 32, automatic="")
    put_call(world.log, calls_at)
    assert world.acting.turn(NOON + CONFIRM_AFTER - 1) == 0
    world.acting.turn(NOON + 2 + CONFIRM_AFTER)
    assert world.done() == {CONFIRM: state}
    assert world.acting.turn(NOON + 3 + CONFIRM_AFTER) == 0


def put_call(log: SqliteLog, at: float) -> None:
    """An accepted call from the source, in the log."""
    line = {"time": at, "server": "crm", "method": "tools/call", "outcome": "ok", "source_ip": BAD, "id": "e9"}
    header = Header(received=at, count=1, first=at, last=at, source="test")
    log.append(EVENTS, pack(header, json.dumps(line).encode())).result()
