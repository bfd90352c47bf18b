"""Where each sink delivers to in the contract suite: how to make one, how the service fails, and what has arrived."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import msgspec
import pytest
from elasticsearch import Elasticsearch

from alerting.alert import Alert
from alerting.discovery import load_sink
from alerting.sink import Sink
from alerting.sinks.elasticsearch.templates import install
from tests.alerting.sinks.samples import an_alert, an_incident
from tests.services.certificates import loopback_certificates
from tests.services.front import Front, forward
from tests.services.pagerduty import SmallPagerDuty

LOCAL = frozenset({"terminal"})
"""Sinks without a service at the other end: they take everything and no network fails them."""
ROUTING_KEY = "R0123456789ABCDEF0123456789ABCDE"
TIMEOUT = 3.0
"""Seconds that a sink waits; a test that provokes silence waits as long."""


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


@dataclass
class PagerDutyPlace:
    front: Front
    service: SmallPagerDuty
    authority: Path
    looks_up: bool = True
    unacceptable: Alert = field(default_factory=lambda: an_alert(666, incident=an_incident("x" * 300)))

    def sink(self, **changes: Any) -> Sink:
        options = {"routing_key": ROUTING_KEY, "url": self.front.url, "ca": str(self.authority), "timeout": TIMEOUT}
        return make("pagerduty", options | changes)

    def arrived(self) -> list[str]:
        return [incident.key.split(":")[1] for incident in self.service.incidents]

    def shown(self) -> list[str]:
        return [text for event in self.service.received for text in strings(event)]


@dataclass
class ElasticsearchPlace:
    front: Front
    client: Elasticsearch
    namespace: str
    authority: Path
    looks_up: bool = True
    unacceptable: Alert = field(default_factory=lambda: an_alert(666, id="x" * 600))

    def sink(self, **changes: Any) -> Sink:
        options = {"url": self.front.url, "ca": str(self.authority), "namespace": self.namespace, "timeout": TIMEOUT}
        return make("elasticsearch", options | changes)

    def documents(self) -> list[dict[str, Any]]:
        stream = f"logs-tocsin.alert-{self.namespace}"
        self.client.indices.refresh(index=stream, ignore_unavailable=True)
        answer = self.client.search(
            index=stream, size=1000, sort=["@timestamp", "event.id"], ignore_unavailable=True, seq_no_primary_term=True
        )
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    def arrived(self) -> list[str]:
        return [
            document["tocsin"]["incident"]["id"]
            for document in self.documents()
            if document["event"]["kind"] == "event"
        ]

    def shown(self) -> list[str]:
        return [text for document in self.documents() for text in (document["message"], document["event"]["reason"])]


@contextmanager
def place(name: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The surroundings of a sink; a new sink needs a branch of its own here to be held to the contract."""
    folder: Path = request.getfixturevalue("tmp_path")
    with ExitStack() as stack:
        match name:
            case "terminal":
                yield TerminalPlace(request.getfixturevalue("capsys"))
            case "pagerduty":
                certificates = loopback_certificates(folder)
                service = SmallPagerDuty(ROUTING_KEY)
                front = stack.enter_context(Front(service, certificates.server))
                yield PagerDutyPlace(front, service, certificates.authority)
            case "elasticsearch":
                url = request.getfixturevalue("elasticsearch_url")
                certificates = loopback_certificates(folder)
                client = stack.enter_context(Elasticsearch(url))
                namespace = f"n{uuid4().hex[:12]}"
                install(client)
                stack.callback(delete_stream, client, f"logs-tocsin.alert-{namespace}")
                front = stack.enter_context(Front(forward(url), certificates.server))
                yield ElasticsearchPlace(front, client, namespace, certificates.authority)
            case _:
                pytest.fail(f"the sink '{name}' has no place in the contract suite (tests/alerting/sinks/places.py)")


def delete_stream(client: Elasticsearch, name: str) -> None:
    """Take a test's data stream away."""
    if client.indices.get_data_stream(name=f"{name}*")["data_streams"]:
        client.indices.delete_data_stream(name=name)
