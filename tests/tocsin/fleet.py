"""Roles in processes of their own, over a Kafka and a PostgreSQL of their own, any of which may be killed."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx

from stream.broker import client as kafka_client
from stream.broker.address import parse_address
from stream.frame import Frame, Header
from stream.kafka import KafkaLog
from stream.log import EVENTS, Stream
from tests.services.kafka import OwnBroker, OwnCluster
from tests.services.postgres import OwnPostgres, free_port
from tests.services.run import run_folder

DEADLINE = 400.0
SESSION = 6.0
"""Seconds after which a silent worker is taken for dead; on a busy machine a process is silent for two or three."""
BURST = 40
"""Rejected logins of one attack."""


def until(look: Callable[[], Any], what: str) -> Any:
    """What `look` finds as soon as it finds something; a process that does not answer has nothing."""
    deadline = time.monotonic() + DEADLINE
    while True:
        with suppress(httpx.TransportError):
            if found := look():
                return found
        assert time.monotonic() < deadline, f"not in {DEADLINE:g} seconds: {what}"
        time.sleep(0.1)


class Role:
    """One `tocsin` with a data directory and a port of its own, started again at the same place."""

    def __init__(self, name: str, folder: Path, settings: dict[str, Any], database: str) -> None:
        folder.mkdir()
        self.name = name
        self.data = folder / "data"
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.log = folder / "log"
        self._config = folder / "tocsin.yaml"
        self._config.write_text(json.dumps({**settings, "data": str(self.data), "listen": {"port": port}}))
        self._environment = {**os.environ, "TOCSIN_DATABASE": database}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin."""
        with self.log.open("ab") as output:
            command = [sys.executable, "-m", "tocsin", self.name, "--config", str(self._config)]
            self._process = subprocess.Popen(command, stdout=output, stderr=output, env=self._environment)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._process.wait(DEADLINE)

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.poll() if self._process is not None else None

    @property
    def resident(self) -> int:
        """Bytes of memory that it has now; 0 where that is not known."""
        assert self._process is not None
        with suppress(OSError):
            return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return 0

    def condition(self) -> str:
        """How it is, for whoever reads of a failure: the end of its log and what it says itself."""
        said = f"code {self.code}, problems {self.problems()}, partitions {self.metric('tocsin_partitions')}"
        return f"--- {self.name}: {said}\n{self.log.read_text(errors='replace')[-2000:]}"

    def run(self, *words: str) -> str:
        """Run a command with this configuration; what it said."""
        command = [sys.executable, "-m", "tocsin", *words, "--config", str(self._config)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=self._environment)
        return done.stdout

    def readied(self) -> None:
        """Wait until load balancers are told that it is ready."""
        deadline = time.monotonic() + DEADLINE
        while self.readiness() != (200, []):
            assert time.monotonic() < deadline, f"not ready in {DEADLINE:g} seconds: {self.problems()}"
            time.sleep(0.1)

    def readiness(self) -> tuple[int, list[str]]:
        """What a load balancer is told: the status and the stages that cannot go on."""
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{self.url}/readyz", timeout=30)
            return answer.status_code, answer.json()["problems"]
        return 0, []

    def get(self, path: str) -> Any:
        """What the process answers an operator; None where it does not."""
        token = self.data / "token"
        if not token.exists():
            return None
        headers = {"authorization": f"Bearer {token.read_text().strip()}"}
        answer = httpx.get(self.url + path, headers=headers, timeout=5)
        return answer.json() if answer.status_code == 200 else None

    def problems(self) -> dict[str, str]:
        """The stages that cannot go on, with the reason."""
        with suppress(httpx.TransportError):
            return dict((self.get("/api/v1/status") or {}).get("problems", {}))
        return {}

    def metric(self, name: str) -> float | None:
        """A metric's value; None where the process does not answer, or has no such metric."""
        with suppress(httpx.TransportError):
            for line in httpx.get(f"{self.url}/metrics", timeout=5).text.splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[1])
        return None


class Fleet:
    """A listener, two that detect and two that decide; `attack` is told by name and must become one incident each.

    Its Kafka is one broker, or a cluster of three.
    """

    def __init__(self, partitions: int = 4, *, cluster: bool = False, session: float = SESSION) -> None:
        # PostgreSQL runs as another user, who must be able to come to its folder.
        folder = Path(tempfile.mkdtemp(dir=run_folder(), prefix="fleet-"))
        folder.chmod(0o755)
        self._ended = ExitStack()
        self._ended.callback(shutil.rmtree, folder, ignore_errors=True)
        self.partitions = partitions
        self.attacks: list[str] = []
        self.repeats = 0
        self.cluster = OwnCluster(folder / "cluster") if cluster else None
        self.broker = self.cluster.brokers[0] if self.cluster is not None else OwnBroker(folder / "broker")
        self._ended.callback((self.cluster or self.broker).kill)
        self.postgres = OwnPostgres(folder / "postgres")
        self._ended.callback(self.postgres.kill)
        try:
            self._begin(folder, partitions, session)
        except BaseException:
            self._ended.close()
            raise

    def _begin(self, folder: Path, partitions: int, session: float) -> None:
        self.server = (self.cluster or self.broker).start()
        self.database = database = self.postgres.start()
        replication = OwnCluster.NODES if self.cluster is not None else 1
        kafka = {"partitions": partitions, "replication": replication, "session_seconds": session}
        self.address = parse_address(f"kafka://{self.server}/fleet", {})
        settings = {
            "log": f"kafka://{self.server}/fleet",
            "kafka": kafka,
            "snapshot_seconds": 1,
            "alerting": {"database": {"env": "TOCSIN_DATABASE"}},
            "reserve": {"percent": 0, "gib": 0},
        }

        def made(name: str, number: int) -> Role:
            return Role(name, folder / f"{name}-{number}", settings, database)

        self.listener = made("listen", 0)
        self.workers = [made("detect", number) for number in range(2)]
        self.deciders = [made("alert", number) for number in range(2)]
        self.roles = [self.listener, *self.workers, *self.deciders]
        self.listener.run("topics", "--create")
        for role in self.roles:
            role.start()
            self._ended.callback(_end, role)
        self.ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.close()

    def ready(self) -> None:
        """Wait until the listener listens, all partitions are worked on and one decides."""
        self._soon(lambda: self.listener.get("/api/v1/status"), "the listener listens")
        self._soon(lambda: self.shared() >= self.partitions, "all partitions are worked on")
        self._soon(self.decider, "one decides")

    def _soon(self, look: Callable[[], Any], what: str) -> None:
        """Wait for what all processes together come to; where it does not come, say how each of them is."""

        def seen() -> Any:
            assert all(role.code is None for role in self.roles), f"nobody ended by himself before {what}"
            return look()

        try:
            until(seen, what)
        except AssertionError as error:
            raise AssertionError("\n".join((str(error), *(role.condition() for role in self.roles)))) from error

    def shared(self) -> float:
        """Partitions that are worked on."""
        return sum(worker.metric("tocsin_partitions") or 0 for worker in self.workers)

    def decider(self) -> Role | None:
        """Who decides."""
        return next((one for one in self.deciders if one.metric("tocsin_decides")), None)

    def attack(self) -> str:
        """Post a burst of rejected logins against a new account, again until it is taken; the account."""
        victim, lines = self.burst()
        until(lambda: self.post(b"\n".join(lines)), "the listener takes events")
        return victim

    def burst(self) -> tuple[str, list[bytes]]:
        """A burst of rejected logins against a new account, for whoever sends it: the account and its events."""
        # Nothing is common to two of them that could be the cause of both.
        name = secrets.token_hex(4)
        victim, source = f"idp|victim-{name}", ".".join(str(part) for part in (10, *secrets.token_bytes(3)))
        now, run = time.time(), secrets.token_hex(4)
        common = {"server": f"server-{name}", "method": "tools/call", "outcome": "auth_invalid", "auth": "invalid"}
        who = {"reason": "bad password", "tenant": f"tenant-{name}", "client": f"c-{name}", "source_ip": source}
        sent = {"user": victim, "producer": "gateway", "run": run}
        self.attacks.append(victim)
        return victim, [
            json.dumps({**common, **who, **sent, "time": now + seq / 1000, "seq": seq}).encode() for seq in range(BURST)
        ]

    @property
    def key(self) -> str:
        """The key under which producers send."""
        return (self.listener.data / "first-collector-key").read_text().strip()

    def answer(self, body: bytes) -> httpx.Response:
        """What the listener answers to events."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/x-ndjson"}
        return httpx.post(f"{self.listener.url}/v1/events", content=body, headers=headers, timeout=120)

    def post(self, body: bytes) -> bool:
        """Post events; whether they were taken."""
        answer = self.answer(body)
        self.repeats += answer.status_code != 200
        return answer.status_code == 200

    def poison(self) -> None:
        """Write what is no frame among the events, as somebody else might."""
        producer = kafka_client.producer(self.address)
        try:
            producer.send(f"{self.address.prefix}.events", b"not a frame", partition=0).get(30)
        finally:
            producer.close()

    def ahead(self, seconds: float) -> None:
        """Write as a listener does whose clock is ahead."""
        with KafkaLog(self.address) as log:
            for number in range(log.partitions):
                tick = Frame(Header(received=time.time() + seconds, content="tick", codec="none"), b"")
                log.append(Stream(EVENTS.name, number), tick).result(60)

    def known(self, victim: str) -> bool:
        """Whether an attack has its incident."""
        return bool(self.told(victim))

    def told(self, victim: str) -> list[dict[str, Any]]:
        """The incidents about an attack; none, too, where nobody answers."""
        # Each attack has a tenant of its own: a list of all would be cut off after a thousand of them.
        asked = f"/api/v1/incidents?state=all&family=auth&limit=1000&tenant={victim.replace('idp|victim', 'tenant')}"
        for decider in self.deciders:
            with suppress(httpx.TransportError):
                if (listed := decider.get(asked)) is not None:
                    return [incident for incident in listed if incident["entity"].get("user") == victim]
        return []

    def settled(self) -> dict[str, list[dict[str, Any]]]:
        """The incidents of every attack, once each of them has one."""
        for victim in self.attacks:
            until(partial(self.known, victim), f"{victim} has its incident")
        # Asked again, so that a second incident which came after the first is seen.
        return {victim: until(partial(self.told, victim), f"somebody tells of {victim}") for victim in self.attacks}

    def pages(self, incident: str) -> int:
        """How often a person was to be told of an incident."""
        path = f"/api/v1/incidents/{incident}/why"
        why = until(lambda: next((said for one in self.deciders if (said := one.get(path))), None), "somebody says why")
        return sum(decision["page"] for decision in why["decisions"])


def _end(role: Role) -> None:
    role.send(signal.SIGCONT)
    role.send(signal.SIGKILL)
