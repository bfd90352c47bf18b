"""The small receiver of webhooks, over real HTTPS."""

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
from tests.services.webhook import SmallReceiver

REMOTE = True
MARKS = ()
SECRET = "a secret of sufficient length"
HEADERS = {"Authorization": "Bearer abc"}


@dataclass
class WebhookPlace:
    front: Front
    service: SmallReceiver
    authority: Path
    looks_up: bool = False
    unacceptable: Alert = field(default_factory=lambda: an_alert(666, id="x" * 600))

    def sink(self, **changes: Any) -> Sink:
        options = {"url": self.front.url, "ca": str(self.authority), "secret": SECRET, "headers": HEADERS}
        return make("webhook", options | {"timeout": TIMEOUT} | changes)

    def arrived(self) -> list[str]:
        return [body["incident"]["id"] for body in self.service.bodies]

    def shown(self) -> list[str]:
        prose = [{key: value for key, value in body.items() if key != "exact"} for body in self.service.bodies]
        return [text for body in prose for text in strings(body)]


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[WebhookPlace]:
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    service = SmallReceiver(SECRET, HEADERS)
    with Front(service, certificates.server) as front:
        yield WebhookPlace(front, service, certificates.authority)
