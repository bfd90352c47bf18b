"""What each stage of this process costs: the processor time of its threads, by the threads' names."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

NAME: Final = "tocsin_stage_cpu_seconds"
HTTP: Final = "http"
"""What the main thread does: it serves producers and operators."""
_TASKS: Final = Path("/proc/self/task")
_PREFIX: Final = "tocsin-"
_NANO: Final = 1e9


class StageTime(Collector):
    """Shows the processor time of the threads that live, and nothing where the system does not tell (not Linux).

    Threads whose names end in a number after an underscore, as those of a pool do, count together.
    """

    def collect(self) -> Iterator[CounterMetricFamily]:
        """One counter with a label for the stage."""
        family = CounterMetricFamily(NAME, "Processor time of each stage's thread", labels=["stage"])
        for stage, seconds in sorted(seconds_by_stage().items()):
            family.add_metric([stage], seconds)
        yield family


def seconds_by_stage() -> dict[str, float]:
    """Seconds of processor time by stage; empty where the system does not tell."""
    found: dict[str, float] = {}
    for thread in threading.enumerate():
        try:
            told = (_TASKS / str(thread.native_id) / "schedstat").read_text(encoding="ascii")
        except OSError:
            continue  # it has ended meanwhile, or this is another system
        stage = stage_of(thread.name)
        found[stage] = found.get(stage, 0.0) + int(told.split()[0]) / _NANO
    return found


def stage_of(thread: str) -> str:
    """The stage that a thread's name says."""
    if thread == threading.main_thread().name:
        return HTTP
    name, _, number = thread.removeprefix(_PREFIX).rpartition("_")
    return name if name and number.isdecimal() else thread.removeprefix(_PREFIX)
