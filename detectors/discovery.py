"""Finding detectors: their names without importing any, and the class of one that is configured."""

import re
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from detectors.base import AnyDetector, Detector
from stream.errors import ConfigError, UnavailableError

GROUP: Final = "tocsin.detectors"
"""The entry point group under which other distributions offer detectors: name = module, or module:class."""

_DECLARES: Final = re.compile(rb"^DETECTOR\b", re.MULTILINE)


def detector_names() -> tuple[str, ...]:
    """The names of all detectors: the modules here that declare one, and what other distributions offer."""
    return tuple(sorted({*_own(), *_offered()}))


def load_detector(name: str) -> type[AnyDetector]:
    """The class of a detector, its module imported.

    Raises ConfigError where there is none of that name or what is offered is no detector of it, and UnavailableError
    where a package that it needs is missing.
    """
    own, offered = _own(), _offered()
    if name not in own and name not in offered:
        raise ConfigError(f"there is no detector '{name}'", hint=f"there are {', '.join(sorted({*own, *offered}))}")
    try:
        module: Any = import_module(f"{__package__}.{name}") if name in own else offered[name].load()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0].replace("_", "-")
        if package in ("", __package__):
            raise  # a fault of this program, which no installation mends
        raise UnavailableError(f"the detector '{name}' is unavailable", hint=f"pip install {package}") from error
    found = getattr(module, "DETECTOR", module)
    if not (isinstance(found, type) and issubclass(found, Detector)) or found.spec.name != name:
        raise ConfigError(
            f"what is offered as the detector '{name}' is none of that name",
            hint=f"its module exposes DETECTOR, a subclass of Detector whose spec is named '{name}'",
        )
    return found


def _own() -> frozenset[str]:
    modules = Path(__file__).parent.glob("*.py")
    return frozenset(module.stem for module in modules if _DECLARES.search(module.read_bytes()))


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
