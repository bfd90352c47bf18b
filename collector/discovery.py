"""Finding formats: their names without importing any, and the one that is asked for."""

import pkgutil
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from collector import formats
from collector.format import Format
from stream.errors import ConfigError, UnavailableError

GROUP: Final = "tocsin.formats"
"""The entry point group under which other distributions offer formats: name = module."""


def format_names() -> tuple[str, ...]:
    """The names of all formats: the modules in `formats` and what other distributions offer."""
    return tuple(sorted({*_own(), *_offered()}))


def load_format(name: str) -> Format:
    """A format, its module imported.

    Raises ConfigError where there is none of that name and UnavailableError where a package that it needs is missing.
    """
    own, offered = _own(), _offered()
    if name not in own and name not in offered:
        raise ConfigError(f"there is no format '{name}'", hint=f"there are {', '.join(sorted({*own, *offered}))}")
    try:
        module: Any = import_module(f"{formats.__name__}.{name}") if name in own else offered[name].load()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0].replace("_", "-")
        raise UnavailableError(f"the format '{name}' is unavailable", hint=f"pip install {package}") from error
    found: Format = getattr(module, "FORMAT", module)
    return found


def _own() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(formats.__path__))


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
