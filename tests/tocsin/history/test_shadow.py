"""History folded by other rules beside the live workers: what would have become of it, and nothing else."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from stream.broker.address import parse_address
from stream.frame import Frame, Header
from stream.kafka import KafkaLog
from stream.log import EVENTS, FINDINGS, PEERS, WIDE, Stream
from stream.spread import Spread
from tests.tocsin.kafka_workers import simulated, until
from tocsin.config.whole import parse_config
from tocsin.roles.log import create, entity_key
from tocsin.roles.tasks import tasks_of
from tocsin.setup import assemble, prepare
from tocsin_audit.event import rfc3339

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

PARTITIONS = 2
Call = Callable[..., Result]


@pytest.fixture
def history(tmp_path: Path) -> list[Frame]:
    """An hour of a tiny simulated set."""
    return simulated(tmp_path / "simulated", hours=(33.0, 34.0))


def detected(log: KafkaLog, history: list[Frame]) -> None:
    """Let workers fold a history, as live ones do."""
    spread = Spread(log)
    for frame in history:
        frame.decoded = None
        spread.append(EVENTS, frame).result(60)
    last = history[-1].header.received
    spread.append(EVENTS, Frame(Header(received=last, content="tick", codec="none"), b"")).result(60)
    make = tasks_of(log, PARTITIONS, assemble(parse_config(""), sinks=False).detectors, secret=entity_key(log))
    pairs = [make(number) for number in range(PARTITIONS)]
    tasks = [task for pair in pairs for task in pair if task is not None]

    def done() -> bool:
        for task in tasks:
            task.advance(wait=0.01)
        return all(task.engine.clock >= last for task in tasks)

    until(done, "all of it is folded", 120)
    for task in tasks:
        task.flush()


def ends(log: KafkaLog) -> list[int]:
    names = (EVENTS.name, WIDE, PEERS)
    return [log.end(FINDINGS), *(log.end(Stream(name, number)) for name in names for number in range(PARTITIONS))]


def test_what_other_rules_would_have_made_of_history_is_shown_and_nothing_is_written(
    kafka_server: str, tocsin: Call, history: list[Frame]
) -> None:
    address = parse_address(f"kafka://{kafka_server}/t{secrets.token_hex(6)}", {})
    settings = {
        "log": f"kafka://{kafka_server}/{address.prefix}",
        "kafka": {"partitions": PARTITIONS, "replication": 1},
        "data": "data",
        "reserve": {"percent": 0, "gib": 0},
    }
    Path("tocsin.yaml").write_text(json.dumps(settings))
    Path("other.yaml").write_text(json.dumps({**settings, "detectors": {"failed_auth": {"enabled": False}}}))
    create(prepare(Path("tocsin.yaml")).loaded, address)
    begin = history[0].header.received
    with KafkaLog(address) as log:
        detected(log, history)
        before = ends(log)
        asked = ("detect", "--shadow", "--learn", "0s", "--from")
        same = tocsin(*asked, rfc3339(begin), "--json")
        assert same.exit_code == 0, same.output
        told = json.loads(same.stdout)
        assert told["live"] == told["shadow"]
        assert told["live"]["incidents"] > 3
        other = tocsin(*asked, rfc3339(begin), "--json", "--config", "other.yaml")
        assert other.exit_code == 1, other.output
        told = json.loads(other.stdout)
        assert told["shadow"]["findings"] < told["live"]["findings"]
        families = {one["family"] for one in told["gone"]}
        assert families & {"auth", "token", "service"}
        assert not told["new"]
        shown = tocsin(*asked, rfc3339(begin), "--config", "other.yaml")
        assert "gone" in shown.stdout
        later = json.loads(tocsin(*asked, rfc3339(begin + 86_400), "--json").stdout)
        assert (later["live"]["findings"], later["shadow"]["findings"]) == (0, 0)
        assert ends(log) == before


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--shadow",), "--from"),
        (("--from", "7d"), "--shadow"),
        (("--shadow", "--from", "7d", "--learn", "long"), "14d"),
        (("--shadow", "--from", "yesterday-ish"), "no moment"),
    ],
)
def test_what_cannot_be_meant_is_said(tocsin: Call, words: tuple[str, ...], hint: str) -> None:
    Path("tocsin.yaml").write_text(json.dumps({"log": "kafka://127.0.0.1:1/t", "reserve": {"percent": 0, "gib": 0}}))
    done = tocsin("detect", *words)
    assert done.exit_code == 2
    assert hint in done.output
