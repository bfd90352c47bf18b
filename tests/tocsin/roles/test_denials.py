"""Denials over a real Kafka: every listener hears of them, a new one too, and the decider hears who obeys."""

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.tocsin.roles.test_run import Process, post, until

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow, pytest.mark.xdist_group("kafka")]

SUBJECT = {"source_ip": "198.51.100.7"}


@pytest.fixture
def begin_role(kafka_server: str, tmp_path: Path) -> Iterator[Callable[[str], Process]]:
    """Starts processes over a log of their own; what is left of them at the end is killed."""
    begun: list[Process] = []
    log = f"kafka://{kafka_server}/t{secrets.token_hex(6)}"

    def begin(role: str) -> Process:
        process = Process(role, log, tmp_path / f"{role}-{len(begun)}")
        if role != "topics":
            begun.append(process)
        return process

    yield begin
    for process in begun:
        process.process.kill()
        process.process.wait()


def key(listener: Process) -> dict[str, str]:
    return {"authorization": f"Bearer {(listener.data / 'first-collector-key').read_text().strip()}"}


def refused_by(listener: Process) -> list[dict[str, Any]]:
    """Whom a listener tells its producers to refuse."""
    answer = httpx.get(f"{listener.url}/v1/producer", headers=key(listener), timeout=30)
    found: list[dict[str, Any]] = answer.json()["denials"] if answer.status_code == 200 else []
    return found


def beat(listener: Process, producer: str, denials: list[str]) -> None:
    event = {
        "time": time.time(),
        "server": "billing",
        "kind": "heartbeat",
        "producer": producer,
        "run": "r",
        "ext": {"denials": denials},
    }
    answer = httpx.post(f"{listener.url}/v1/events", json=event, headers=key(listener), timeout=30)
    assert answer.is_success, answer.text


def test_every_listener_hears_of_a_denial_and_who_obeys_it(begin_role: Callable[[str], Process]) -> None:
    begin_role("topics")
    one, other = begin_role("listen"), begin_role("listen")
    decider, _ = begin_role("alert"), begin_role("detect")
    until(lambda: one.get("/api/v1/status") and other.get("/api/v1/status"), "they listen")
    post(one, "one", 40)
    incident = until(lambda: decider.get("/api/v1/incidents"), "an incident")[0]
    beat(one, "p-1", [])
    beat(other, "p-2", [])
    operator = {"authorization": f"Bearer {(decider.data / 'token').read_text().strip()}"}

    def ask(path: str, **body: Any) -> Any:
        return httpx.post(f"{decider.url}/api/v1{path}", json={"by": "ann", **body}, headers=operator, timeout=30)

    made = ask(f"/incidents/{incident['id']}/deny", subject=SUBJECT, **{"for": "30m"})
    assert made.status_code == 201, made.text
    id_ = made.json()["id"]
    for listener in (one, other):
        assert [told["subject"] for told in until(lambda to=listener: refused_by(to), "it is told")] == [SUBJECT]  # type: ignore[misc]  # bound now
    beat(one, "p-1", [id_])
    beat(one, "p-1", [id_])
    (held,) = until(lambda: [it for it in decider.get("/api/v1/denials") if it["confirmed"]], "one confirmed")
    assert (held["confirmed"], held["producers"]) == (1, 2)
    assert held["waiting_for"] == ["billing (p-2/r)"]
    beat(other, "p-2", [id_])
    until(lambda: decider.get("/api/v1/denials")[0]["confirmed"] == 2, "both confirmed")

    assert one.end(signal.SIGKILL) == -signal.SIGKILL
    new = begin_role("listen")
    until(lambda: new.get("/api/v1/status"), "a new listener listens")
    assert [told["id"] for told in until(lambda: refused_by(new), "the new one is told")] == [id_]
    assert ask(f"/denials/{id_}/lift").json()["state"] == "lifted"
    until(lambda: not refused_by(new) and not refused_by(other), "both hear that it is over")
