"""A small chat over real HTTPS; what apprise cannot tell (how long to wait) is why it is no remote place."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alerting.sink import Sink
from tests.alerting.sinks.place import TIMEOUT, make
from tests.services.certificates import loopback_certificates
from tests.services.chat import SmallChat
from tests.services.front import Front

REMOTE = False
MARKS = ()


@dataclass
class ChatPlace:
    front: Front
    service: SmallChat
    authority: Path
    looks_up: bool = False

    def sink(self, **changes: Any) -> Sink:
        url = self.front.url.replace("https", "jsons").replace("http:", "json:")
        return make("chat", {"url": url, "ca": str(self.authority), "timeout": TIMEOUT} | changes)

    def arrived(self) -> list[str]:
        messages = [one["message"] for one in self.service.messages if "may be a repeat" not in one["message"]]
        return [message.rpartition("Incident ")[2].partition(",")[0] for message in messages]

    def shown(self) -> list[str]:
        return [line for one in self.service.messages for line in (one["title"], *one["message"].splitlines())]


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[ChatPlace]:
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    service = SmallChat()
    with Front(service, certificates.server) as front:
        yield ChatPlace(front, service, certificates.authority)
