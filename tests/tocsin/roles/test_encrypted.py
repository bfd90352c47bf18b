"""All roles on an encrypted Kafka: what is guessed becomes an incident, and the brokers never hold a name."""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from alerting.queries import Filter, list_incidents
from collector.formats.native import parse_lines
from stream.decode import prepare
from stream.log import EVENTS
from stream.receipt import receive
from tests.services.kafka import fresh_log
from tests.stream.test_kafka_crypt import raw
from tests.tocsin.lines import guesses
from tests.tocsin.program import until
from tocsin.roles.log import create
from tocsin.roles.process import ALERT, DETECT, Roles
from tocsin.setup import prepare as prepare_config

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

WHO = "https://idp.example|unmistakable-eve"


def test_an_incident_comes_of_it_and_nothing_lies_in_plain(kafka_server: str, tocsin: Callable[..., Result]) -> None:
    address = fresh_log(kafka_server, f"t{secrets.token_hex(6)}", 2)
    assert tocsin("keys", "master", "master").exit_code == 0
    settings = {
        "log": f"kafka://{kafka_server}/{address.prefix}",
        "data": "data",
        "kafka": {"partitions": 2, "replication": 1, "retention_days": 7},
        "encrypt": {"key": {"file": "master"}},
        "reserve": {"percent": 0, "gib": 0},
    }
    Path("tocsin.yaml").write_text(json.dumps(settings))
    ready = prepare_config(Path("tocsin.yaml"))
    create(ready.loaded, address)
    roles = Roles(ready, frozenset({DETECT, ALERT}))
    roles.start()
    try:
        body = b"\n".join(json.dumps(one).encode() for one in guesses(time.time() - 50, user=WHO))
        made = parse_lines(body, body.split(b"\n"))
        assert made is not None
        prepare(made, body)
        frame = receive(made, body, time.time(), source="test", digest="d")
        roles.spread.append(EVENTS, frame).result(60)
        store = roles.store
        assert store is not None
        (incident,) = until(lambda: list_incidents(store, Filter(entity=WHO)), "an incident comes of it", seconds=120)
        assert WHO in incident.entity.values()
    finally:
        roles.stop()
    held = raw(address)
    assert len(held) > 1000
    assert b"unmistakable-eve" not in held
    for path in Path("data").rglob("*"):
        assert not path.is_file() or b"unmistakable-eve" not in path.read_bytes(), path
