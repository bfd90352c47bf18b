"""What the tests of inputs over HTTP share."""

from collections.abc import Callable
from typing import Any

import pytest

from stream.decode import decode
from stream.log import EVENTS
from tocsin_audit.event import AuditEvent


@pytest.fixture
def stored(site: Any) -> Callable[[], list[AuditEvent]]:
    """The events that are durable."""
    return lambda: [event for record in site.log.read(EVENTS, 0, limit=1000) for event in decode(record.frame)]
