"""Findings, frames and sinks that the tests of alerting share."""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from alerting.alert import Alert
from alerting.sink import DONE, Result
from stream.finding import ENCODER, Class, Finding, Severity, finding_id
from stream.frame import Frame, Header, Origin, pack
from stream.log import FINDINGS, Log

HOUR = 3_600.0
DAY = 86_400.0
NOON = 20_000 * DAY + 12 * 3600
"""Noon of an ordinary day."""


def a_finding(
    class_: Class = "brute",
    severity: Severity = "high",
    *,
    entity: dict[str, str] | None = None,
    tenant: str | None = "acme",
    at: float = NOON,
    level: int = 0,
    **more: Any,
) -> Finding:
    entity = {"user": "https://idp.example|alice"} if entity is None else entity
    cell = int(at // 60)
    finding = Finding(
        id=finding_id("test", 1, class_, entity, cell, level, tenant),
        detector="test",
        version="1.0",
        class_=class_,
        entity=entity,
        tenant=tenant,
        severity=severity,
        title=f"{class_} noticed",
        observed="41 failures in 60 s",
        expected="at most 8",
        why="passwords are being tried",
        start=cell * 60.0,
        end=at,
        time=at,
        event_ids=("e1", "e2"),
        count=41,
    )
    return msgspec.structs.replace(finding, **more)


def findings_frame(
    findings: Sequence[Finding], received: float, offset: int, *, imported: bool = False, task: str = "detect"
) -> Frame:
    header = Header(
        received=received,
        content="findings",
        count=len(findings),
        origin=Origin(task, 0, offset, 0),
        imported=imported,
    )
    return pack(header, ENCODER.encode_lines(findings).rstrip(b"\n"))


def tick(received: float, offset: int) -> Frame:
    return Frame(Header(received=received, content="tick", codec="none", origin=Origin("detect", 0, offset, 0)), b"")


def put(log: Log, *frames: Frame) -> None:
    for future in [log.append(FINDINGS, frame) for frame in frames]:
        future.result()


class RecordingSink:
    """Keeps what it is given; answers what it was told to, once each, and then `done`."""

    name: ClassVar[str] = "recording"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = msgspec.Struct

    def __init__(self) -> None:
        self.delivered: list[Alert] = []
        self.doubts: list[frozenset[str]] = []
        self.answers: list[Result] = []
        self.closed = False

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        self.doubts.append(in_doubt)
        results = [self.answers.pop(0) if self.answers else DONE for _ in alerts]
        self.delivered += [alert for alert, result in zip(alerts, results, strict=True) if result.outcome == "done"]
        return results

    def close(self) -> None:
        self.closed = True
