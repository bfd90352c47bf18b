"""Many open incidents: what it takes to change one, committed."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from alerting.database.store import Store
from alerting.task import AlertTask
from stream.finding import ENCODER, Finding, finding_id
from stream.frame import Header, pack
from stream.log import FINDINGS
from stream.memory import MemoryLog
from tocsin.bench.figure import Figure
from tocsin.config.whole import parse_config
from tocsin.evaluation.interval import quantile
from tocsin.setup import assemble

OPEN: Final = 10_000
CHANGES: Final = 1_000
AT_ONCE: Final = 200
START: Final = 1_793_577_600.0


def measure() -> Iterator[Figure]:
    """Milliseconds, p50 and p99, to commit one more finding of an incident beside 10,000 open ones."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'alerts.sqlite'}")
        try:
            log = MemoryLog()
            task = AlertTask(log, store, assemble(parse_config(""), sinks=False).policies)
            for begin in range(0, OPEN, AT_ONCE):
                append(log, [finding(number, 0) for number in range(begin, begin + AT_ONCE)], begin)
                task.advance(wait=0.0)
            spent = []
            for number in range(CHANGES):
                append(log, [finding(number * 7 % OPEN, 1)], OPEN + number)
                before = time.perf_counter()
                task.advance(wait=0.0)
                spent.append((time.perf_counter() - before) * 1e3)
        finally:
            store.close()
    yield Figure("incident_change_p50", round(quantile(spent, 0.5), 2), "ms", CHANGES)
    yield Figure("incident_change_p99", round(quantile(spent, 0.99), 2), "ms", CHANGES, gate=100, goal=20)


def append(log: MemoryLog, findings: Sequence[Finding], second: int) -> None:
    """Put findings into a log, as one frame of a second."""
    header = Header(received=START + second, content="findings", count=len(findings), first=START, last=START + second)
    log.append(FINDINGS, pack(header, ENCODER.encode_lines(findings).rstrip(b"\n")))


def finding(number: int, level: int) -> Finding:
    """What one of the incidents is made of, and at the next level what changes it."""
    entity = {"user": f"https://idp.example|user-{number:05d}"}
    tenant = f"tenant-{number % 100:02d}"
    return Finding(
        id=finding_id("failed_auth", 1, "brute", entity, int(START), level, tenant),
        detector="failed_auth",
        version="1.0",
        class_="brute",
        entity=entity,
        tenant=tenant,
        severity="high" if level else "medium",
        score=70,
        title="Passwords guessed for one account",
        observed="40 failures in five minutes",
        expected="at most 10",
        start=START,
        end=START + 300,
        time=START + 300,
        event_ids=tuple(f"p.r.{number * 20 + index}" for index in range(20)),
        count=40,
        runbook="brute",
    )
