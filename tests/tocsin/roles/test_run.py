"""Roles in processes of their own on a real Kafka: what is posted becomes one incident, whoever is killed meanwhile."""

import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.postgres import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow, pytest.mark.xdist_group("kafka")]

DEADLINE = 180.0


def until(look: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            if found := look():
                return found
        except httpx.TransportError:
            pass  # it does not listen yet
        assert time.monotonic() < deadline, f"not in {DEADLINE:g} seconds: {what}"
        time.sleep(0.05)


class Process:
    """One `tocsin` with a data directory and a port of its own."""

    def __init__(self, role: str, log: str, folder: Path) -> None:
        folder.mkdir()
        self.data = folder / "data"
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.config = folder / "tocsin.yaml"
        kafka = {"partitions": 2, "replication": 1, "session_seconds": 6}
        said = {"log": log, "kafka": kafka, "data": str(self.data), "listen": {"port": port}, "snapshot_seconds": 1}
        self.config.write_text(json.dumps(said))
        if role == "topics":
            self.run("topics", "--create")
            return
        with (folder / "log").open("wb") as output:
            command = [sys.executable, "-m", "tocsin", role, "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=output, stderr=output)

    def run(self, *words: str) -> str:
        """Run a command with this configuration; what it said."""
        command = [sys.executable, "-m", "tocsin", *words, "--config", str(self.config)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def get(self, path: str) -> Any:
        """What the process answers an operator."""
        if not (self.data / "token").exists():
            return None
        token = (self.data / "token").read_text().strip()
        answer = httpx.get(self.url + path, headers={"authorization": f"Bearer {token}"}, timeout=30)
        return answer.json() if answer.status_code == 200 else None

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


@pytest.fixture
def start(kafka_server: str, tmp_path: Path) -> Iterator[Callable[[str], Process]]:
    """Starts processes over a log of their own; what is left of them at the end is killed."""
    started: list[Process] = []
    log = f"kafka://{kafka_server}/t{secrets.token_hex(6)}"

    def begin(role: str) -> Process:
        process = Process(role, log, tmp_path / f"{role}-{len(started)}")
        if role != "topics":
            started.append(process)
        return process

    yield begin
    for process in started:
        process.process.kill()
        process.process.wait()


def post(listener: Process, run: str, count: int) -> None:
    """A burst of rejected logins against one account."""
    key = (listener.data / "first-collector-key").read_text().strip()
    now = time.time()
    events = [
        {
            "time": now + number / 1000,
            "server": "billing",
            "method": "tools/call",
            "outcome": "auth_invalid",
            "auth": "invalid",
            "reason": "bad password",
            "user": "idp|victim",
            "tenant": "acme",
            "client": "c",
            "source_ip": "198.51.100.7",
            "producer": "gateway",
            "run": run,
            "seq": number,
        }
        for number in range(count)
    ]
    body = "\n".join(json.dumps(event) for event in events)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/x-ndjson"}
    answer = httpx.post(f"{listener.url}/v1/events", content=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == count


def test_what_is_posted_becomes_one_incident_though_its_detector_is_killed(start: Callable[[str], Process]) -> None:
    start("topics")
    listener, decider, first, second = start("listen"), start("alert"), start("detect"), start("detect")
    workers = {"first": first, "second": second}

    def partitions() -> dict[str, list[str]]:
        return {
            name: sorted((one.get("/api/v1/status") or {"partitions": {}})["partitions"])
            for name, one in workers.items()
        }

    until(lambda: all(partitions().values()), "both workers have a partition")
    until(lambda: listener.get("/api/v1/status"), "the listener listens")
    post(listener, "one", 40)
    incident = until(lambda: decider.get("/api/v1/incidents"), "an incident")[0]
    assert incident["family"] == "auth"
    assert incident["entity"] == {"user": "idp|victim"}

    said = httpx.post(
        f"{decider.url}/api/v1/incidents/{incident['id']}/ack",
        json={"by": "alice"},
        headers={"authorization": f"Bearer {(decider.data / 'token').read_text().strip()}"},
        timeout=30,
    )
    assert said.json()["status"] == "acknowledged", said.text
    assert decider.get(f"/api/v1/incidents/{incident['id']}")
    assert len(decider.get("/api/v1/events?tenant=acme&limit=5")["events"]) == 5
    assert "nothing was counted yet" in decider.get("/api/v1/coverage?from=1h")["why"], "nobody seals here"

    counts = {name: one.get("/api/v1/status")["findings"] for name, one in workers.items()}
    busy = max(counts, key=lambda name: counts[name])
    assert workers.pop(busy).end(signal.SIGKILL) == -signal.SIGKILL
    (left,) = workers.values()
    post(listener, "two", 400)
    until(lambda: partitions().popitem()[1] == ["0", "1"], "the other worker takes over")
    grown = until(
        lambda: [one for one in decider.get("/api/v1/incidents") if one["findings"] > incident["findings"]], "growth"
    )
    assert [one["id"] for one in grown] == [incident["id"]]
    assert len(decider.get("/api/v1/incidents")) == 1
    assert "tocsin_partitions 2.0" in httpx.get(f"{left.url}/metrics").text
    assert [process.end(signal.SIGTERM) for process in (listener, left, decider)] == [0, 0, 0]
