"""What the tests of the audit package share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.audit.tiny_collector import TinyCollector
from tocsin_audit import AuditEvent, AuditMiddleware
from tocsin_audit.event import DECODER, normalise

# Shared cores make single examples slow now and then, which says nothing about the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("TOCSIN_URL", "TOCSIN_KEY", "TOCSIN_SERVER", "TOCSIN_PRODUCER", "TOCSIN_TENANT_CLAIM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOCSIN_FINGERPRINT_KEY", "fleet:a key for tests")
    monkeypatch.setenv("TOCSIN_SPOOL", str(tmp_path / "spool"))


@pytest.fixture
def collector() -> Iterator[TinyCollector]:
    running = TinyCollector()
    yield running
    running.close()


class Written:
    """Audits servers into one file and reads the events back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._audits: list[AuditMiddleware] = []

    def audit(self, app: Any, **options: Any) -> AuditMiddleware:
        middleware = AuditMiddleware(app, path=self.path, **options)
        self._audits.append(middleware)
        return middleware

    def stop(self) -> None:
        for middleware in self._audits:
            middleware.stop()

    def all(self) -> list[AuditEvent]:
        self.stop()
        if not self.path.exists():
            return []
        return [normalise(DECODER.decode(line)) for line in self.path.read_bytes().splitlines()]

    def events(self, method: str | None = None) -> list[AuditEvent]:
        """The events of requests, in the order of their numbers."""
        told = [event for event in self.all() if event.kind in ("request", "auth")]
        return [event for event in told if method is None or event.method == method]

    def event(self, method: str | None = None) -> AuditEvent:
        (only,) = self.events(method)
        return only


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    made = Written(tmp_path / "events.ndjson")
    yield made
    made.stop()
