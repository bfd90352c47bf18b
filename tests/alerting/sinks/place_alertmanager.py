"""The small Alertmanager, over real HTTPS."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alerting.alert import Alert
from alerting.sink import Sink
from tests.alerting.sinks.place import TIMEOUT, make, strings
from tests.alerting.sinks.samples import an_alert, an_incident
from tests.services.alertmanager import SmallAlertmanager
from tests.services.certificates import loopback_certificates
from tests.services.front import Front

REMOTE = True
MARKS = ()


@dataclass
class AlertmanagerPlace:
    front: Front
    service: SmallAlertmanager
    authority: Path
    looks_up: bool = True
    unacceptable: Alert = field(default_factory=lambda: an_alert(666, incident=an_incident("x" * 300)))

    def sink(self, **changes: Any) -> Sink:
        options = {"url": self.front.url, "ca": str(self.authority), "timeout": TIMEOUT}
        return make("alertmanager", options | changes)

    def arrived(self) -> list[str]:
        # The lower severities are ended with each change; only what fires is told to people.
        return [alert["labels"]["incident"] for alert in self.service.active(time.time())]

    def shown(self) -> list[str]:
        return [text for alert in self.service.alerts.values() for text in strings(alert)]


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[AlertmanagerPlace]:
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    service = SmallAlertmanager()
    with Front(service, certificates.server) as front:
        yield AlertmanagerPlace(front, service, certificates.authority)
