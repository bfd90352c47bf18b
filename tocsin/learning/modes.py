"""The modes that the configuration gives detectors and tenants, as the log hears of them at every start."""

from typing import Final

from detectors.engine.warmup import AUTOMATIC
from stream.control import Warmth
from tocsin.config.faults import Fault, did_you_mean
from tocsin.config.whole import Config, Loaded

EVERYTHING_EARNED: Final = Warmth(mode=AUTOMATIC)
"""Takes back what an earlier configuration said: without it a mode would outlive the line that gave it."""


def modes_of(config: Config) -> tuple[Warmth, ...]:
    """What the log is told at a start: first that nothing is said, then each mode."""
    said = [Warmth(section.mode, name) for name, section in config.detectors.items() if section.mode is not None]
    for tenant, section in config.tenants.items():
        if section.mode is not None:
            said.append(Warmth(section.mode, None, tenant))
        said += [Warmth(mode, name, tenant) for name, mode in section.detectors.items()]
    return (EVERYTHING_EARNED, *said)


def faults_of(loaded: Loaded, detectors: tuple[str, ...]) -> list[Fault]:
    """The detectors that tenants' modes name and that do not exist."""
    return [
        loaded.fault(("tenants", tenant, "detectors", name), "there is no such detector", did_you_mean(name, detectors))
        for tenant, section in loaded.config.tenants.items()
        for name in section.detectors
        if name not in detectors
    ]
