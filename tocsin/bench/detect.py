"""The detect stage and the memory of its state, each number of principals in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from tocsin.bench.figure import Figure

EVENTS: Final = 150_000
FEW: Final = 5_000
MANY: Final = 1_000_000


def measure() -> Iterator[Figure]:
    """µs an event and packed bytes a principal, with 5,000 principals."""
    found = _run(FEW)
    yield Figure("detect_5k", round(found["us_per_event"], 2), "µs/event", EVENTS, gate=8)
    yield Figure("new_principal", round(found["us_per_new_principal"]), "µs", FEW)
    yield Figure("packed_idle", round(found["idle_bytes_per_principal"]), "bytes/principal", FEW, gate=160)
    yield Figure("packed_active", round(found["packed_bytes_per_principal"]), "bytes/principal", FEW, gate=600)
    yield Figure("snapshot", round(found["snapshot_s"] * 1e3), "ms", FEW)
    yield Figure("snapshot_pause", round(found["snapshot_pause_ms"], 1), "ms", FEW)


def measure_million() -> Iterator[Figure]:
    """µs an event and resident memory with a million principals that all were seen."""
    found = _run(MANY)
    yield Figure("detect_1m", round(found["us_per_event"], 2), "µs/event", EVENTS, gate=10)
    yield Figure("memory_1m", round(found["resident_mb"]), "MB", MANY, gate=800, goal=400)


def _run(principals: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tocsin.bench.stage", str(principals), str(EVENTS)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603  # our own program with our own arguments
    found: dict[str, Any] = json.loads(told)
    return found
