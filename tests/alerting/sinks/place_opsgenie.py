"""The small Opsgenie, over real HTTPS."""

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
from tests.services.opsgenie import API_KEY, SmallOpsgenie

REMOTE = True
MARKS = ()


@dataclass
class OpsgeniePlace:
    front: Front
    service: SmallOpsgenie
    authority: Path
    looks_up: bool = True
    unacceptable: Alert = field(default_factory=lambda: an_alert(666, incident=an_incident("x" * 600)))

    def sink(self, **changes: Any) -> Sink:
        options = {"api_key": API_KEY, "url": self.front.url, "ca": str(self.authority), "timeout": TIMEOUT}
        return make("opsgenie", options | changes)

    def arrived(self) -> list[str]:
        return [one.alias.split(":")[1] for one in self.service.alerts]

    def shown(self) -> list[str]:
        texts = [text for one in self.service.alerts for text in (*strings(one.created), *one.notes)]
        return [line for text in texts for line in text.splitlines()]


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[OpsgeniePlace]:
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    service = SmallOpsgenie()
    with Front(service, certificates.server) as front:
        yield OpsgeniePlace(front, service, certificates.authority)
