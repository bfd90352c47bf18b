"""The small Teams, over real HTTPS."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alerting.alert import Alert
from alerting.sink import Sink
from tests.alerting.sinks.place import TIMEOUT, make
from tests.alerting.sinks.samples import an_alert
from tests.services.certificates import loopback_certificates
from tests.services.front import Front
from tests.services.teams import PATH, SmallTeams

REMOTE = True
MARKS = ()


@dataclass
class TeamsPlace:
    front: Front
    service: SmallTeams
    authority: Path
    looks_up: bool = False
    unacceptable: Alert = field(default_factory=lambda: an_alert(666))

    def sink(self, **changes: Any) -> Sink:
        given = dict(changes)
        options = {"url": f"{given.pop('url', self.front.url)}{PATH}", "ca": str(self.authority), "timeout": TIMEOUT}
        return make("teams", options | given)

    def arrived(self) -> list[str]:
        seen: list[str] = []
        for card in self.service.cards:
            repeated = card[-1] == "(This may be a repeat.)"
            incident = card[-2 if repeated else -1].rpartition("Incident ")[2].partition(",")[0]
            if not repeated or incident not in seen:
                seen.append(incident)
        return seen

    def shown(self) -> list[str]:
        return [line for card in self.service.cards for line in card]


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[TeamsPlace]:
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    service = SmallTeams(forbidden="i-666")
    with Front(service, certificates.server) as front:
        yield TeamsPlace(front, service, certificates.authority)
