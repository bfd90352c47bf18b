"""The small syslog receiver, over real TLS; it speaks no HTTP, so its faults are in its own tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alerting.sink import Sink
from tests.alerting.sinks.place import TIMEOUT, make
from tests.services.certificates import loopback_certificates
from tests.services.syslog import SmallSyslog

REMOTE = False
MARKS = ()


@dataclass
class SyslogPlace:
    service: SmallSyslog
    authority: Path
    looks_up: bool = False

    def sink(self, **changes: Any) -> Sink:
        options = {"host": "127.0.0.1", "port": self.service.port, "ca": str(self.authority), "timeout": TIMEOUT}
        return make("syslog", options | changes)

    def arrived(self) -> list[str]:
        assert self.service.faults == []
        return [message.extension["externalId"] for message in self.service.messages if "cs6" not in message.extension]

    def shown(self) -> list[str]:
        return [text for one in self.service.messages for text in (*one.header, *one.extension.values())]


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[SyslogPlace]:
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    with SmallSyslog(certificates.server) as service:
        yield SyslogPlace(service, certificates.authority)
