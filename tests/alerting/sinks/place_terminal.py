"""The terminal: what it writes is captured."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from alerting.sink import Sink
from tests.alerting.sinks.place import make

REMOTE = False
MARKS = ()


@dataclass
class TerminalPlace:
    captured: pytest.CaptureFixture[str]
    looks_up: bool = False
    written: str = ""

    def sink(self, **changes: Any) -> Sink:
        return make("terminal", {"colour": False} | changes)

    def shown(self) -> list[str]:
        self.written += self.captured.readouterr().out
        return self.written.split("\n")

    def arrived(self) -> list[str]:
        return [
            "i-" + line.split(" i-")[1].partition(":")[0]
            for line in self.shown()
            if line and not line.endswith("repeat]")
        ]


@contextmanager
def place(request: pytest.FixtureRequest) -> Iterator[TerminalPlace]:
    yield TerminalPlace(request.getfixturevalue("capsys"))
