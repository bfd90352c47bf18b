"""An input over a real log, turned by hand."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from collector.discovery import load_format
from collector.input import Feed, Input, Scope
from collector.tally import Tallies
from stream.decode import decode
from stream.log import EVENTS
from stream.sqlite import SqliteLog, open_log
from tocsin_audit.event import AuditEvent


class Deaf:
    """An observer that hears nothing: what counts is in the tallies."""

    def accepted(self, count: int) -> None: ...

    def duplicates(self, count: int) -> None: ...

    def rejected(self, reason: str, count: int, source: str = "") -> None: ...

    def received(self, size: int, seconds: float) -> None: ...


@dataclass
class Bench:
    """A log and the inputs that feed it; `now` is their wall clock."""

    log: SqliteLog
    now: float
    tallies: Tallies = field(default_factory=Tallies)
    closing: ExitStack = field(default_factory=ExitStack)

    def input(self, kind: Callable[..., Any], options: Scope, name: str = "i") -> Any:
        """An input, opened."""
        feed = Feed(
            name,
            options,
            {form: load_format(form) for form in options.formats},
            log=self.log,
            state=self.log,
            replay=self.log,
            observer=Deaf(),
            tally=self.tallies[name],
            clock=lambda: self.now,
        )
        made: Input = kind(options, feed)
        made.open()
        return made

    def stored(self) -> list[AuditEvent]:
        """The events that are durable."""
        return [event for record in self.log.read(EVENTS, 0, limit=10_000) for event in decode(record.frame)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench over the test's folder."""
    with open_log(tmp_path / "data", reserve_bytes=0) as log, ExitStack() as closing:
        yield Bench(log, time.time(), closing=closing)
