"""The demo catches its attacks with the defaults, wakes nobody for ordinary work, and judges itself truthfully."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tocsin.demo.course import ATTACKS, Attempt, Course, attack_of, paged, result
from tocsin.scenarios.company import ATTACKER, BY_NAME
from tocsin.scenarios.history import history
from tocsin.scenarios.scenario import scenarios
from tocsin_audit.event import DECODER, normalise


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_attack_is_caught_and_nothing_ordinary_wakes_anybody(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", "demo", "--once", "--json", "--data", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout
    told = json.loads(done.stdout)
    assert set(told) == {"ok", "seconds", "attacks", "benign", "incidents", "deliveries"}
    assert told["ok"]
    assert [attack["id"] for attack in told["attacks"]] == list(ATTACKS)
    assert all(set(attack) == {"id", "class", "caught", "paged", "delay_s", "incident"} for attack in told["attacks"])
    assert all(attack["caught"] and attack["paged"] for attack in told["attacks"])
    assert told["benign"]["paged"] == 0
    assert told["benign"]["events"] > 50
    assert {entry["state"] for entry in told["deliveries"]} == {"done"}


def _detail(class_: str, entity: dict[str, str], *, page: bool) -> dict[str, Any]:
    incident = {"id": class_, "classes": [class_], "entity": entity, "facts": {}, "revision": 1, "title": class_}
    return {
        "incident": {**incident, "severity": "high"},
        "decisions": [{"page_id": "p" if page else None}],
        "deliveries": [],
    }


def test_an_incident_is_an_attacks_by_class_and_by_whom_it_is_about() -> None:
    spray = Attempt(scenarios()["password-spray"])
    assert attack_of(_detail("spray", {"source_ip": ATTACKER}, page=True), [spray]) is spray
    assert attack_of(_detail("spray", {"source_ip": "192.0.2.1"}, page=True), [spray]) is None
    assert attack_of(_detail("volume_burst", {"source_ip": ATTACKER}, page=True), [spray]) is None


def test_a_page_about_ordinary_work_fails_the_demo() -> None:
    spray = Attempt(scenarios()["password-spray"], incident="x", paged=True)
    course = Course(began=0.0, attempts=[spray])
    assert result(course)["ok"]
    course.details["y"] = _detail("brute", {"user": BY_NAME["bob"].user}, page=True)
    assert not result(course)["ok"]
    assert result(course)["benign"]["paged"] == 1


def test_an_attack_that_nobody_is_told_of_fails_the_demo() -> None:
    course = Course(began=0.0, attempts=[Attempt(scenarios()["bulk-export"], incident="x", paged=False)])
    assert not course.ok
    assert not paged(_detail("volume_burst", {}, page=False))


def test_there_are_attacks_and_ordinary_scenarios() -> None:
    found = scenarios()
    assert set(ATTACKS) <= set(found)
    assert all(found[name].attack for name in ATTACKS)
    assert {name for name, scenario in found.items() if not scenario.attack} >= {"office", "typo", "discovery"}


def test_history_is_a_fortnight_in_order_that_ends_before_now() -> None:
    now = 1_793_000_000.0
    events = [normalise(DECODER.decode(line)) for line in history(now)]
    times = [event.time for event in events]
    assert times == sorted(times)
    assert times[0] < now - 14 * 86_400
    assert times[-1] < now
    assert {event.tenant for event in events} == {"acme", "globex", "initech"}
    assert list(history(now)) == list(history(now))
