"""Coverage on a real Kafka: one process counts all partitions, another answers, each listener says what it refused."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from stream.frame import Header, pack
from stream.kafka import KafkaLog
from stream.log import EVENTS
from stream.spread import Spread
from tests.services.kafka import fresh_log
from tests.tocsin.lines import line
from tests.tocsin.program import until
from tocsin.coverage.answer import Ask
from tocsin.coverage.store import FILE
from tocsin.roles.log import create, crypt_for
from tocsin.roles.process import ALERT, DETECT, LISTEN, SEAL, Roles
from tocsin.setup import prepare

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

BEGIN = 1800.0
"""Seconds ago at which the log begins, so that stretches have closed."""


def produce(log: KafkaLog, ago: float, number: int) -> None:
    """Twenty numbered events of as many callers, so that each partition gets some of them."""
    now = time.time() - ago
    numbers = range(20 * number, 20 * number + 20)
    lines = [line(now, producer="gateway", run="r", seq=n, user=f"u{n}", server="crm") for n in numbers]
    lines = [one for n, one in zip(numbers, lines, strict=True) if n != 50]
    header = Header(received=now, count=len(lines), first=now, last=now, source="key")
    payload = "\n".join(json.dumps(one) for one in lines).encode()
    Spread(log).append(EVENTS, pack(header, payload)).result(30)


@pytest.fixture
def begun() -> Iterator[list[Roles]]:
    """Processes' worth of roles, ended after the test."""
    made: list[Roles] = []
    yield made
    for one in made:
        one.stop()


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_one_counts_another_answers_and_what_a_listener_refused_is_there(
    kafka_server: str, tocsin: Callable[..., Result], begun: list[Roles], encrypted: bool
) -> None:
    address = fresh_log(kafka_server, f"t{secrets.token_hex(6)}", 2)
    settings: dict[str, Any] = {
        "log": f"kafka://{kafka_server}/{address.prefix}",
        "kafka": {"partitions": 2, "replication": 1, "retention_days": 7},
        "reserve": {"percent": 0, "gib": 0},
    }
    if encrypted:
        assert tocsin("keys", "master", "master").exit_code == 0
        settings["encrypt"] = {"key": {"file": "master"}}

    def start(name: str, *roles: str) -> Roles:
        path = Path(f"{name}.yaml")
        path.write_text(json.dumps({**settings, "data": f"data-{name}"}))
        made = Roles(prepare(path), frozenset(roles))
        made.start()
        begun.append(made)
        return made

    first = Path("first.yaml")
    first.write_text(json.dumps({**settings, "data": "data-first"}))
    loaded = prepare(first).loaded
    create(loaded, address)
    with KafkaLog(address, crypt=crypt_for(loaded)) as log:
        for number in range(10):
            produce(log, BEGIN - 60 * number, number)
    start("counter", SEAL, DETECT)
    answering, listener = start("answering", ALERT), start("listener", LISTEN)
    assert answering.covering is not None
    now = time.time()
    ask = Ask(now - BEGIN - 60, now - BEGIN + 540, tenants=None)
    covering = answering.covering

    def answer() -> dict[str, Any]:
        return covering.answer(ask, answering.directory.directory)

    missing = ["1 running number of gateway never came"]
    until(lambda: answer()["events"] == 199 and answer()["why"] == missing, "all of it is counted and looked at")
    told = answer()
    (producer,) = told["producers"]
    assert [(gap["first"], gap["last"]) for gap in producer["gaps"]] == [(50, 50)]
    assert {one["detector"] for one in told["detectors"]} >= {"failed_auth", "cross_tenant"}

    listener.metrics.rejected("line", 3, "key")
    listener.stop()
    begun.remove(listener)
    late = Ask(now, time.time() + 3600, tenants=None)
    until(
        lambda: (
            covering.answer(late, answering.directory.directory)["refused_from"]
            == [{"key": "key", "refused": {"line": 3}}]
        ),
        "what the listener refused is told",
    )
    assert (
        b"gateway" in b"".join(path.read_bytes() for path in Path("data-answering").glob(f"{FILE}*"))
    ) is not encrypted
