"""What happens in the crash tests: three batches of a producer, a directory, and what is left afterwards."""

import json
import os
import signal
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from stream.crashpoints import STATUS
from stream.finding import DECODER
from tests.alerting.in_the_act import died_in_the_act
from tests.services.certificates import loopback_certificates
from tests.services.front import Front
from tests.services.pagerduty import SmallPagerDuty
from tests.tocsin.program import DiedError, Program, until
from tocsin_audit.event import rfc3339

ROUTING_KEY = "R" * 32
DIRECTORY = """
tenants: {acme: {}, globex: {}}
servers: [{name: crm, shared: true}]
ownership: [{server: crm, uri: "crm://{tenant}/**"}]
"""

Event = dict[str, Any]
Batches = Sequence[Sequence[Event]]


def batches(begin: float) -> Batches:
    """Ordinary work, a brute force with a success, and two callers who read other tenants' data at one server.

    `begin` is in seconds since the epoch. All of it lies so far back that it counts as late whichever run posts it,
    so that no run can differ in that. The second reader makes it a leak of the server's, which explains him and whoever
    follows, but not the first: they come in bodies of their own, so that a body's size decides nothing.
    """
    numbers = iter(range(1_000_000))

    def event(at: float, **said: Any) -> Event:
        number = next(numbers)
        plain = {
            "time": rfc3339(begin + at),
            "server": "crm",
            "method": "tools/call",
            "target": "find_customer",
            "outcome": "ok",
            "auth": "valid",
            "identity": "verified",
            "tenant": "acme",
            "user": f"user{number % 7}",
            "source_ip": f"192.0.2.{number % 7 + 1}",
            "rows": 3,
            "response_bytes": 700,
            "producer": "crm",
            "run": "first",
            "seq": number,
        }
        return {**plain, **said}

    def work(at: float) -> list[Event]:
        return [event(at + offset) for offset in range(40)]

    attacker = {"user": "victim", "source_ip": "203.0.113.9"}
    failed = {"outcome": "auth_invalid", "auth": "invalid", "reason": "bad password", "rows": None}
    guesses = [event(100 + offset, **attacker, **failed) for offset in range(40)]
    leaks = [
        event(200, user="user1", resource_tenants=["globex"]),
        event(201, user="user2", tenant="globex", resource_tenants=["acme"]),
    ]
    return [
        work(0),
        [*guesses[:25], *work(125)],
        [*guesses[25:], event(141, **attacker), *work(150)],
        [leaks[0], *work(202)],
        [leaks[1], *work(250)],
    ]


@dataclass(frozen=True)
class Outcome:
    """What must be the same with and without a crash."""

    findings: list[tuple[str, str, str, str]]
    """Incident, finding, class, severity."""
    incidents: list[tuple[str, str, str, int]]
    """Id, tenant, family, severity."""
    decided: list[tuple[str, str]]
    """Finding and incident of each decision."""
    events: set[tuple[str, int]]
    """Run and number of each event that a search finds."""
    paged: dict[str, int]
    """How often each key has opened an incident in PagerDuty."""
    told: dict[str, str]
    """How severe the terminal showed each incident at last."""


@dataclass(frozen=True)
class Death:
    """How a process ends: at a crash point, else by a signal some seconds after it began to listen."""

    at: str | None = None
    after: float = 0.0
    by: signal.Signals = signal.SIGKILL

    @property
    def status(self) -> int:
        """The exit status that this gives."""
        return STATUS if self.at is not None else 0 if self.by == signal.SIGTERM else -self.by


class Scene:
    """A folder with a data directory and two sinks: the terminal, and PagerDuty over real HTTPS."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.pager = SmallPagerDuty(ROUTING_KEY)
        certificates = loopback_certificates(folder)
        self._front = Front(self.pager, certificates.server)
        (folder / "directory.yaml").write_text(DIRECTORY)
        self.settings: dict[str, Any] = {
            "directory": "directory.yaml",
            "snapshot_seconds": 0.2,
            "sinks": {
                "screen": {"type": "terminal"},
                "pager": {
                    "type": "pagerduty",
                    "routing_key": {"file": "routing-key"},
                    "url": self._front.url,
                    "ca": str(certificates.authority),
                },
            },
        }
        (folder / "routing-key").write_text(ROUTING_KEY)
        self.events: set[tuple[str, int]] = set()

    def __enter__(self) -> Self:
        self._front.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._front.__exit__()

    def run(self, *, crash_at: str | None = None) -> Program:
        """Start Tocsin over what the folder holds."""
        return Program(self.folder, self.settings, crash_at=crash_at)

    def play(self, story: Batches, *deaths: Death) -> Outcome:
        """Post a story as a producer with a spool does: what got no answer is sent again. What came of it.

        One process after the other ends in the ways named, the next goes on; the last one lives until everything has
        been decided and delivered, and ends in good order.
        """
        waiting = deque(story)
        for death in deaths:
            with self.run(crash_at=death.at) as doomed, suppress(DiedError):
                doomed.listening()
                timer = threading.Timer(death.after, lambda: os.kill(doomed.pid, death.by))  # noqa: B023  # joined below
                if death.at is None:
                    timer.start()
                try:
                    while waiting:
                        doomed.post(waiting[0])
                        waiting.popleft()
                        if death.at is not None and death.at.startswith("alert."):
                            doomed.settled()  # else one transaction may take what several batches led to
                    until(lambda: doomed.died is not None, f"the program ends by {death}")
                finally:
                    timer.cancel()
            assert doomed.died == death.status, doomed.said()
            assert self._in_the_act(death), f"{death} came when nothing was at stake"
        with self.run() as program:
            program.ready()
            for batch in waiting:
                program.post(batch)
            program.settled()
            until(lambda: not self._rows("SELECT 1 FROM outbox WHERE state <> 'done'"), "everything is delivered")
            found = program.get("/events", limit=1000)
            assert not found["more"]
            self.events = {(event["run"], event["seq"]) for event in found["events"]}
            assert program.stop() == 0, program.said()
        return self.outcome()

    def _in_the_act(self, death: Death) -> bool:
        """Whether alerting was amid what the point is about, going by what it left behind."""
        point = (death.at or "").partition(":")[0]
        if not point.startswith(("alert.", "delivery.")):
            return True
        data = self.folder / "data"
        return died_in_the_act(point, data, f"sqlite:///{data / 'alerts.sqlite'}", None)

    def outcome(self) -> Outcome:
        """What came of it all, as the databases, the sinks and the last answers to operators have it."""
        members = self._rows("SELECT incident, body FROM incident_findings")
        findings = [(incident, DECODER.decode(body)) for incident, body in members]
        return Outcome(
            findings=sorted((incident, one.id, one.class_, one.severity) for incident, one in findings),
            incidents=sorted(self._rows("SELECT id, tenant, family, severity FROM incidents")),
            decided=sorted(self._rows("SELECT finding, incident FROM decisions")),
            events=self.events,
            paged={incident.key: len(self.pager.opened(incident.key)) for incident in self.pager.incidents},
            told={incident: lines[-1][0] for incident, lines in self.shown().items()},
        )

    def shown(self) -> dict[str, list[list[str]]]:
        """The words of the terminal's lines about each incident, in order: severity, perhaps PAGE, what changed."""
        shown: dict[str, list[list[str]]] = {}
        for line in (self.folder / "stdout").read_text().splitlines():
            _, *words, incident = line.partition(": ")[0].split()
            shown.setdefault(incident, []).append(words)
        return shown

    def told(self) -> list[dict[str, Any]]:
        """Everything that the runs over the folder said of themselves."""
        lines = (self.folder / "stderr").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "data" / "alerts.sqlite", timeout=30)) as connection:
            return connection.execute(query).fetchall()
