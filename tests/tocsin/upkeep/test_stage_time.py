"""Each stage's processor time is told by the name of its threads."""

import sys
import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tocsin.upkeep.stage_time import HTTP, StageTime, seconds_by_stage, stage_of


@pytest.mark.parametrize(
    ("thread", "stage"),
    [
        ("MainThread", HTTP),
        ("tocsin-detect", "detect"),
        ("log events", "log events"),
        ("asyncio_3", "asyncio"),
        ("_3", "_3"),
    ],
)
def test_a_thread_is_of_the_stage_that_its_name_says(thread: str, stage: str) -> None:
    assert stage_of(thread) == stage


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the time of each thread in a file")
def test_work_counts_for_the_stage_whose_thread_did_it() -> None:
    worked, looked = threading.Event(), threading.Event()

    def work() -> None:
        sum(range(200_000))
        worked.set()
        looked.wait(60)

    threads = [threading.Thread(target=work, name=f"tocsin-worked_{number}") for number in range(2)]
    for thread in threads:
        thread.start()
    assert worked.wait(60)
    found = seconds_by_stage()
    page = generate_latest(_registry()).decode()
    looked.set()
    for thread in threads:
        thread.join()
    assert found["worked"] > 0
    assert 'tocsin_stage_cpu_seconds_total{stage="worked"}' in page
    assert "worked" not in seconds_by_stage()


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(StageTime())
    return registry
