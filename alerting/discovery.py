"""Finding sinks: their names without importing any, and the one that is configured."""

import pkgutil
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from alerting import sinks
from alerting.sink import Sink
from stream.errors import ConfigError, UnavailableError

GROUP: Final = "tocsin.sinks"
"""The entry point group under which other distributions offer sinks: name = module."""


def sink_names() -> tuple[str, ...]:
    """The names of all sinks: the modules beside this one's `sinks` and what other distributions offer."""
    return tuple(sorted({*_own(), *_offered()}))


def load_sink(name: str) -> type[Sink]:
    """The class of a sink, its module imported.

    Raises ConfigError where there is none of that name and UnavailableError where a package that it needs is missing.
    """
    own, offered = _own(), _offered()
    if name not in own and name not in offered:
        raise ConfigError(f"there is no sink '{name}'", hint=f"there are {', '.join(sorted({*own, *offered}))}")
    try:
        module: Any = import_module(f"{sinks.__name__}.{name}") if name in own else offered[name].load()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0].replace("_", "-")
        raise UnavailableError(f"the sink '{name}' is unavailable", hint=f"pip install {package}") from error
    found: type[Sink] = getattr(module, "SINK", module)
    return found


def _own() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(sinks.__path__))


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
