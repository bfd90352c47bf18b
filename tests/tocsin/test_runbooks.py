"""Every runbook of every class of finding, worked through in a running Tocsin: each query run, each action tried."""

import json
import shlex
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import Result

from alerting.incidents.family import family
from stream.finding import CLASSES, ENCODER, Class, Finding, finding_id
from stream.frame import Frame, Header, Origin, pack
from stream.log import EVENTS, FINDINGS
from stream.sqlite import open_log
from tests.tocsin.lines import line
from tests.tocsin.program import Program, until

ABOUT = {"tool": "server", "coverage": "producer"}
"""What incidents of these families are about; those of all others are about a user."""

SAME = {
    "save-evidence": "/incidents/{id}/evidence",
    "find-scope": "/incidents/{id}/scope",
    "confirm-stopped": "/denials?incident={id}&stopped=yes",
    "write-down": "/incidents/{id}/report?format=md",
}
"""What the queries of steps that all runbooks have ask for; as commands they are run once."""


class Worked:
    """A Tocsin with an incident of each class, and how to call commands of it."""

    def __init__(self, program: Program, incidents: dict[str, str]) -> None:
        self.program, self.incidents = program, incidents


def named(class_: Class) -> dict[str, str]:
    """Whom and what an incident of a class names: nobody but itself."""
    return {
        "user": f"https://idp.example|{class_}",
        "server": f"srv-{class_}",
        "producer": f"srv-{class_}-1",
        "source_ip": f"198.51.100.{CLASSES.index(class_)}",
        "target": f"crm://{class_}/1",
        "token": f"k1:{CLASSES.index(class_):04x}",
        "client": f"client-{class_}",
        "resource_tenants": "globex",
        "got_in": f"https://idp.example|{class_}",
    }


def a_finding(class_: Class, now: float) -> Finding:
    who = named(class_)
    key = ABOUT.get(family(class_), "user")
    return Finding(
        id=finding_id("test", 1, class_, {key: who[key]}, int(now // 60), 0, "acme"),
        detector="test",
        version="1.0",
        class_=class_,
        entity={key: who[key]},
        tenant="acme",
        severity="high",
        title=f"{class_} noticed",
        start=now - 60,
        end=now,
        time=now,
        event_ids=(f"of-{class_}",),
        facts={name: (value,) for name, value in who.items()},
    )


def an_event(class_: Class, now: float) -> bytes:
    own = ("user", "server", "source_ip", "target", "token", "client")
    who = {key: value for key, value in named(class_).items() if key in own}
    return json.dumps(line(now - 30, **who, id=f"of-{class_}")).encode()


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    folder, now = tmp_path_factory.mktemp("runbooks"), time.time()
    with open_log(folder / "data", reserve_bytes=0) as log:
        events = Header(received=now, count=len(CLASSES), first=now - 30, last=now - 30, source="test")
        log.append(EVENTS, pack(events, b"\n".join(an_event(class_, now) for class_ in CLASSES))).result()
        for number, class_ in enumerate(CLASSES):
            log.append(FINDINGS, frame(a_finding(class_, now), now, number)).result()
    with Program(folder) as program:
        program.ready()
        program.settled()
        found = {one["classes"][0]: one["id"] for one in program.get("/incidents", limit=1000)}
        yield Worked(program, found)


def frame(finding: Finding, received: float, number: int) -> Frame:
    header = Header(received=received, content="findings", count=1, origin=Origin("history", 0, number, 0))
    return pack(header, ENCODER.encode(finding))


@pytest.mark.parametrize("class_", CLASSES)
def test_a_runbook_can_be_worked_through_to_its_end(
    worked: Worked, tocsin: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, class_: Class
) -> None:
    program, id_ = worked.program, worked.incidents[class_]
    monkeypatch.setenv("TOCSIN_URL", program.listening())
    monkeypatch.setenv("TOCSIN_TOKEN", (program.data / "token").read_text().strip())
    until(lambda: program.request("GET", f"/incidents/{id_}/evidence").is_success, "the evidence is sealed")
    book = program.get(f"/incidents/{id_}/runbook")
    assert [phase["name"] for phase in book["phases"]] == ["first_15_minutes", "next_hours", "long_term"]
    steps = [(phase["name"], step) for phase in book["phases"] for step in phase["steps"]]
    assert any(step["query"] for _, step in steps)
    for phase, step in steps:
        assert step["purpose"]
        assert step["who"]
        assert step["minutes"] >= 1
        if step["id"] in SAME and class_ != "brute":
            answer = program.request("GET", SAME[step["id"]].format(id=id_))
            assert answer.is_success, (step["query"], answer.text)
        elif step["query"] is not None:
            run(tocsin, step["query"])
        if step["action"] is not None:
            run(tocsin, tried(step["action"]))
        said: dict[str, Any] = {"state": "done", "by": "ann"}
        if phase == "long_term":
            said = {"state": "planned", "by": "ann", "owner": "kim", "due": "14d"}
            refused = program.request("POST", f"/incidents/{id_}/runbook/{step['id']}", json={**said, "owner": None})
            assert (refused.status_code, "an owner and a day" in refused.text) == (400, True)
        answer = program.request("POST", f"/incidents/{id_}/runbook/{step['id']}", json=said)
        assert answer.is_success, answer.text
    after = answer.json()
    assert (after["late"], after["ended"]) == (0, sum(phase != "long_term" for phase, _ in steps))
    long_term = after["phases"][-1]["steps"]
    assert {(step["owner"], step["due"][:10] > step["at"][:10]) for step in long_term} == {("kim", True)}
    closing = {"by": "ann", "verdict": "true"}
    if program.get(f"/incidents/{id_}")["incident"]["status"] != "closed":
        asked = program.request("POST", f"/incidents/{id_}/close", json=closing)
        assert (asked.status_code, "root cause" in asked.text) == (400, True)
        assert program.request("POST", f"/incidents/{id_}/close", json={**closing, "root_cause": "x"}).is_success


def run(tocsin: Callable[..., Result], command: str) -> None:
    ran = tocsin(*shlex.split(command)[1:])
    assert ran.exit_code == 0, (command, ran.output)
    if command.startswith("tocsin search"):
        assert (
            "nothing fits" not in ran.stdout
            or "auth_invalid" in command
            or "authz" in command
            or "not_found" in command
        )


def tried(action: str) -> str:
    """An action as it is tried first; those on the incident itself are done."""
    return f"{action} --dry-run" if action.startswith("tocsin contain") else action
