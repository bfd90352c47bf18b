"""Where a sink delivers to in the contract suite: how to make one, how its service fails, what has arrived.

A sink `name` is held to the contract by a module `place_name` beside this one: `REMOTE` says that there is a network to
fail, `MARKS` are put on its tests, and `place(request)` is a context manager that gives its Place.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, Protocol

import msgspec
import pytest

from alerting.alert import Alert
from alerting.discovery import load_sink
from alerting.sink import Sink
from tests.services.front import Front

TIMEOUT = 20.0
"""Seconds that a sink waits, many because the machine may be busy."""


class Place(Protocol):
    """One sink's surroundings; `looks_up` says that a repeat leaves nothing behind."""

    looks_up: bool

    def sink(self, **changes: Any) -> Sink:
        """A sink that delivers here."""

    def arrived(self) -> list[str]:
        """The ids of incidents whose alerts are here, in order, as often as a person would see them."""

    def shown(self) -> list[str]:
        """Every string that is shown to people as prose."""


def make(name: str, options: dict[str, Any]) -> Sink:
    """A sink with its options converted as the program does it."""
    kind: Any = load_sink(name)
    sink: Sink = kind(msgspec.convert(options, kind.Options))
    return sink


def strings(value: object) -> Iterator[str]:
    """All strings in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


class RemotePlace(Place, Protocol):
    """Surroundings with a service behind a network; `unacceptable` is an alert that the service does not take."""

    front: Front
    unacceptable: Alert


class PlaceModule(Protocol):
    """What a module `place_name` has."""

    REMOTE: bool
    MARKS: tuple[pytest.MarkDecorator, ...]

    def place(self, request: pytest.FixtureRequest) -> AbstractContextManager[Place]:
        """The surroundings of one test."""


def place_module(name: str) -> PlaceModule:
    """The module that has a sink's surroundings."""
    module: Any = import_module(f"tests.alerting.sinks.place_{name}")
    found: PlaceModule = module
    return found
