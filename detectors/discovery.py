"""Finding detectors: their names without importing any, and the class of one that is configured."""

import re
from pathlib import Path
from typing import Final

from detectors.base import AnyDetector, Detector
from stream.errors import ConfigError
from stream.offers import Offers

_DECLARES: Final = re.compile(rb"^DETECTOR\b", re.MULTILINE)


def _own() -> frozenset[str]:
    modules = Path(__file__).parent.glob("*.py")
    return frozenset(module.stem for module in modules if _DECLARES.search(module.read_bytes()))


OFFERS: Final = Offers("detector", "tocsin.detectors", "detectors", "DETECTOR", _own)


def detector_names() -> tuple[str, ...]:
    """The names of all detectors: the modules here that declare one, and what other distributions offer."""
    return OFFERS.names()


def load_detector(name: str) -> type[AnyDetector]:
    """The class of a detector, its module imported.

    Raises ConfigError or UnavailableError as `Offers.load` does, and ConfigError where what is offered is no detector
    of that name.
    """
    found = OFFERS.load(name)
    if not (isinstance(found, type) and issubclass(found, Detector)) or found.spec.name != name:
        raise ConfigError(
            f"what is offered as the detector '{name}' is none of that name",
            hint=f"its module exposes DETECTOR, a subclass of Detector whose spec is named '{name}'",
        )
    return found
