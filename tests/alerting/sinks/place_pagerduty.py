"""The small PagerDuty, over real HTTPS."""

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
from tests.services.certificates import loopback_certificates
from tests.services.front import Front
from tests.services.pagerduty import SmallPagerDuty

REMOTE = True
MARKS = ()
ROUTING_KEY = "R0123456789ABCDEF0123456789ABCDE"


@dataclass
class PagerDutyPlace:
    front: Front
    service: SmallPagerDuty
    authority: Path
    looks_up: bool = True
    unacceptable: Alert = field(default_factory=lambda: an_alert(666, incident=an_incident("x" * 300)))

    def sink(self, **changes: Any) -> Sink:
        options = {"routing_key": ROUTING_KEY, "url": self.front.url, "ca": str(self.authority), "timeout": TIMEOUT}
        return make("pagerduty", options | changes)

    def arrived(self) -> list[str]:
        return [incident.key.split(":")[1] for incident in self.service.incidents]

    def shown(self) -> list[str]:
        return [text for event in self.service.received for text in strings(event)]


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[PagerDutyPlace]:
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    service = SmallPagerDuty(ROUTING_KEY)
    with Front(service, certificates.server) as front:
        yield PagerDutyPlace(front, service, certificates.authority)
