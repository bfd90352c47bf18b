"""A real Elasticsearch behind a front with TLS, and a namespace of the test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from elasticsearch import Elasticsearch

from alerting.alert import Alert
from alerting.sink import Sink
from alerting.sinks.elasticsearch.templates import STREAM, install
from tests.alerting.sinks.place import TIMEOUT, make
from tests.alerting.sinks.samples import an_alert
from tests.services.certificates import loopback_certificates
from tests.services.front import Front, forward

REMOTE = True
MARKS = (pytest.mark.elasticsearch, pytest.mark.xdist_group("elasticsearch"))


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

    @property
    def stream(self) -> str:
        return f"{STREAM}-{self.namespace}"

    def documents(self) -> list[dict[str, Any]]:
        self.client.indices.refresh(index=self.stream, ignore_unavailable=True)
        answer = self.client.search(
            index=self.stream,
            size=1000,
            sort=["@timestamp", "event.id"],
            ignore_unavailable=True,
            seq_no_primary_term=True,
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
def place(request: pytest.FixtureRequest) -> Iterator[ElasticsearchPlace]:
    url: str = request.getfixturevalue("elasticsearch_url")
    certificates = loopback_certificates(request.getfixturevalue("tmp_path"))
    with Elasticsearch(url) as client, Front(forward(url), certificates.server) as front:
        install(client)
        here = ElasticsearchPlace(front, client, f"n{uuid4().hex[:12]}", certificates.authority)
        try:
            yield here
        finally:
            if client.indices.get_data_stream(name=f"{here.stream}*")["data_streams"]:
                client.indices.delete_data_stream(name=here.stream)
