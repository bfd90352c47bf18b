"""Shedding on a real Kafka: one process decides for all partitions, and every one of them obeys."""

import json
import secrets
import time
from pathlib import Path

import pytest

from detectors.engine.engine import Engine
from stream.control import Shed, control_frame, read_control
from stream.frame import Record, unpack
from stream.kafka import KafkaLog
from stream.log import EVENTS, Stream
from stream.spread import Spread
from tests.services.kafka import fresh_log
from tests.tocsin.program import until
from tocsin.roles.log import create
from tocsin.roles.process import DETECT, Roles
from tocsin.setup import prepare

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]


def test_what_a_process_left_shed_that_died_is_taken_up_again_in_every_partition(
    kafka_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    address = fresh_log(kafka_server, f"t{secrets.token_hex(6)}", 2)
    settings = {
        "log": f"kafka://{kafka_server}/{address.prefix}",
        "data": "data",
        "kafka": {"partitions": 2, "replication": 1, "retention_days": 7},
        "reserve": {"percent": 0, "gib": 0},
    }
    Path("tocsin.yaml").write_text(json.dumps(settings))
    ready = prepare(Path("tocsin.yaml"))
    create(ready.loaded, address)
    with KafkaLog(address) as log:
        Spread(log).append(EVENTS, control_frame(Shed(("outlier",)), time.time())).result(30)
        roles = Roles(ready, frozenset({DETECT}))
        roles.start()
        try:
            told = [Shed(("outlier",)), Shed(())]
            until(lambda: facts(log, 0) == told == facts(log, 1), "both partitions are told")
            until(lambda: shed(roles) == [frozenset(), frozenset()], "both obey")
        finally:
            roles.stop()


def facts(log: KafkaLog, partition: int) -> list[Shed]:
    """What a partition was told to leave out, in order."""
    records, position = list[Record](), 0
    while found := log.read(Stream(EVENTS.name, partition), position):
        records += found
        position = found[-1].offset + 1
    control = [record.frame for record in records if record.frame.header.content == "control"]
    said = [read_control(line) for frame in control for line in unpack(frame).splitlines()]
    return [fact for fact in said if isinstance(fact, Shed)]


def shed(roles: Roles) -> list[frozenset[str]]:
    """What each partition leaves out now."""
    tasks = dict(roles.detecting.tasks) if roles.detecting is not None else {}
    return [task.engine.warmup.shed for task in tasks.values() if isinstance(task.engine, Engine)]
