"""Upgrades on Kafka: state is migrated, or everything is folded again; going back works; what is found is the same."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from detectors.base import AnyDetector
from detectors.engine.engine import Engine
from detectors.engine.task import DetectTask
from stream.frame import Frame, Header
from stream.kafka import KafkaLog
from stream.log import EVENTS
from stream.spread import Spread
from tests.services.kafka import fresh_log
from tests.tocsin.kafka_workers import found_by_one, found_in, simulated
from tocsin.config.whole import parse_config
from tocsin.roles.tasks import tasks_of
from tocsin.setup import assemble

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900), pytest.mark.xdist_group("kafka")]

PARTITIONS = 2
DEADLINE = 600.0
VERSION = Engine.version
CHANGED = "outlier"
"""A detector that finds nothing in so little history, so that what it forgets makes no difference."""


def detectors(state_version: int = 0) -> Iterable[AnyDetector]:
    """All of them, the changed one with another version of its state."""
    made = assemble(parse_config(""), sinks=False).detectors
    for one in made:
        if one.spec.name == CHANGED:
            one.spec = replace(one.spec, state_version=one.spec.state_version + state_version)
    return made


def begun(log: KafkaLog, *, newer: int = 0, state_version: int = 0) -> list[DetectTask]:
    """The tasks of all partitions as a program makes them that takes them over, whose engine is so much newer."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "version", VERSION + newer)
        make = tasks_of(log, log.partitions, detectors(state_version))
        for number in range(log.partitions):
            task, owner = make(number)
            assert owner is not None
            made += [task, owner]
    for one in made:
        one.engine.version = VERSION + newer
    return made


def fold(tasks: list[DetectTask], until: float) -> None:
    """Fold until every clock is there, and keep the state."""
    deadline = time.monotonic() + DEADLINE
    while min(task.engine.clock for task in tasks) < until:
        assert time.monotonic() < deadline, "it is folded in time"
        for task in tasks:
            task.advance(wait=0.01)
    for task in tasks:
        task.save()


def test_an_upgrade_and_its_undoing_find_what_one_version_finds(kafka_server: str, tmp_path: Path) -> None:
    history = simulated(tmp_path / "set", hours=(33.0, 33.15))
    expected = found_by_one(history)
    assert len(expected[0]) > 3, "the set is there to be found"
    quarter = len(history) // 4
    with KafkaLog(fresh_log(kafka_server, f"t{secrets.token_hex(6)}", PARTITIONS)) as log:
        spread = Spread(log)

        def feed(part: int) -> float:
            own = history[part * quarter : (part + 1) * quarter if part < 3 else None]
            last = own[-1].header.received
            # Time passes everywhere, as it does where idle partitions tick.
            tick = Frame(Header(received=last + 1.0, content="tick", codec="none"), b"")
            for future in [spread.append(EVENTS, frame) for frame in [*own, tick]]:
                future.result(60)
            return last + 0.5

        first = begun(log)
        fold(first, feed(0))
        places = [task.position for task in first]

        migrated = begun(log, state_version=1)
        assert [(task.position, task.outdated) for task in migrated] == [(place, None) for place in places]
        fold(migrated, feed(1))

        newer = begun(log, newer=1)
        assert [(task.position, task.outdated) for task in newer] == [(0, VERSION)] * len(newer)
        assert all(task.replaying for task in newer)
        fold(newer, feed(2))
        assert not any(task.replaying for task in newer)

        back = begun(log)
        assert [(task.position, task.outdated) for task in back] == [(0, VERSION + 1)] * len(back)
        fold(back, feed(3))
        assert found_in(log, PARTITIONS) == expected
