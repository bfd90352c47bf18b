"""What takes OCSF over real HTTPS; files are in the sink's own tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alerting.alert import Alert
from alerting.sink import Sink
from tests.alerting.sinks.place import TIMEOUT, make, strings
from tests.alerting.sinks.samples import an_alert
from tests.services.certificates import loopback_certificates
from tests.services.front import Front
from tests.services.ocsf import SmallCollector

REMOTE = True
MARKS = ()
PROSE = ("message", "desc", "title", "observed", "expected", "name", "show")


@dataclass
class OcsfPlace:
    front: Front
    service: SmallCollector
    authority: Path
    looks_up: bool = False
    unacceptable: Alert = field(default_factory=lambda: an_alert(666, id="x" * 600))

    def sink(self, **changes: Any) -> Sink:
        options = {"url": self.front.url, "ca": str(self.authority), "timeout": TIMEOUT}
        return make("ocsf", options | changes)

    def arrived(self) -> list[str]:
        return [event["unmapped"]["incident"] for event in self.service.events if event["class_uid"] == 2005]

    def shown(self) -> list[str]:
        return list(prose(self.service.events))


def prose(value: object) -> Iterator[str]:
    """What people are shown as text."""
    if isinstance(value, list):
        for item in value:
            yield from prose(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in PROSE:
                # Of a user, the exact name is data to search for.
                yield from () if key == "name" and "uid" in value else strings(item)
            else:
                yield from prose(item)


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[OcsfPlace]:
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    service = SmallCollector()
    with Front(service, certificates.server) as front:
        yield OcsfPlace(front, service, certificates.authority)
