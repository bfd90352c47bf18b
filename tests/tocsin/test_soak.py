"""A soak: random faults for as long as one likes, and in the end every attack is one incident."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial

import pytest

from tests.tocsin.fleet import SESSION, Fleet, Role, until

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.long, pytest.mark.xdist_group("kafka")]

VARIABLE = "TOCSIN_SOAK"
"""How many seconds it lasts; `make soak SECONDS=3600` says so."""
GROWTH = 400 * 1024 * 1024
"""Bytes that a process may have at most: it has 150 MB at the start."""


def kill(role: Role) -> None:
    role.send(signal.SIGKILL)
    role.start()


def sleep(role: Role, seconds: float) -> None:
    role.send(signal.SIGSTOP)
    time.sleep(seconds)  # that it sleeps is the fault
    role.send(signal.SIGCONT)


def broker(fleet: Fleet) -> None:
    fleet.broker.kill()
    fleet.broker.start()


def postgres(fleet: Fleet) -> None:
    fleet.postgres.kill()
    fleet.postgres.start()


@pytest.mark.timeout(24 * 3600)
def test_random_faults_lose_nothing_and_double_nothing(kafka_server: str) -> None:
    del kafka_server  # asking for it skips where Kafka cannot be had
    seconds, chance = float(os.environ.get(VARIABLE, "60")), random.Random(7)
    faults: dict[str, Callable[[Fleet], None]] = {
        "worker killed": lambda fleet: kill(chance.choice(fleet.workers)),
        "decider killed": lambda fleet: kill(chance.choice(fleet.deciders)),
        "listener killed": lambda fleet: kill(fleet.listener),
        "worker asleep": lambda fleet: sleep(chance.choice(fleet.workers), 2 * SESSION),
        "decider asleep": lambda fleet: sleep(chance.choice(fleet.deciders), 2 * SESSION),
        "broker restarted": broker,
        "PostgreSQL restarted": postgres,
        "poison record": lambda fleet: fleet.poison(),
        "a clock ahead": lambda fleet: fleet.ahead(3600),
    }
    counts = dict.fromkeys(faults, 0)
    most = dict[str, int]()
    slowest = 0.0
    with Fleet() as fleet:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(chance.randrange(1, 4)):
                fleet.attack()
            name = chance.choice(sorted(faults))
            faults[name](fleet)
            counts[name] += 1
            began = time.monotonic()
            victim = fleet.attack()
            until(partial(fleet.known, victim), f"an incident after {name}")
            slowest = max(slowest, time.monotonic() - began)
            for role in fleet.roles:
                most[role.name] = max(most.get(role.name, 0), role.resident)
        fleet.ready()
        found = fleet.settled()
        lost = [victim for victim in fleet.attacks if not found[victim]]
        doubled = [victim for victim in fleet.attacks if len(found[victim]) > 1]
        told = {
            "seconds": seconds,
            "attacks": len(fleet.attacks),
            "lost": len(lost),
            "doubled": len(doubled),
            "faults": counts,
            "slowest_recovery_seconds": round(slowest, 1),
            "most_resident_mb": {name: round(size / 1e6) for name, size in most.items()},
            "posts_repeated": fleet.repeats,
        }
        print(json.dumps(told), file=sys.stderr)
    assert (lost, doubled) == ([], [])
    assert max(most.values()) < GROWTH
