"""The small Slack, over real HTTPS, told by an app's token."""

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
from tests.services.slack import CHANNEL, TOKEN, SmallSlack

REMOTE = True
MARKS = ()


@dataclass
class SlackPlace:
    front: Front
    service: SmallSlack
    authority: Path
    looks_up: bool = True
    unacceptable: Alert = field(default_factory=lambda: an_alert(666, id="x" * 9000))

    def sink(self, **changes: Any) -> Sink:
        given = dict(changes)
        options = {"token": TOKEN, "channel": CHANNEL, "api": f"{given.pop('url', self.front.url)}/api"}
        return make("slack", options | {"ca": str(self.authority), "timeout": TIMEOUT} | given)

    def arrived(self) -> list[str]:
        return [one["metadata"]["event_payload"]["alert"].partition(":")[0] for one in self.service.messages]

    def shown(self) -> list[str]:
        texts = [text for one in self.service.messages for text in texts_of(one)]
        return [line for text in texts for line in text.splitlines()]


def texts_of(message: dict[str, Any]) -> list[str]:
    """All that people see of a message: the notification, the header, the sections."""
    return [message["text"], *(block["text"]["text"] for block in message["blocks"])]


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[SlackPlace]:
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    service = SmallSlack()
    with Front(service, certificates.server) as front:
        yield SlackPlace(front, service, certificates.authority)
