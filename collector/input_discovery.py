"""Finding the inputs that can be configured: their types without importing any, and the one that is asked for."""

import pkgutil
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from collector import inputs
from stream.errors import ConfigError, UnavailableError

GROUP: Final = "tocsin.inputs"
"""The entry point group under which other distributions offer inputs: name = module."""


def input_names() -> tuple[str, ...]:
    """The types of all inputs: the modules in `inputs` and what other distributions offer."""
    return tuple(sorted({*_own(), *_offered()}))


def load_input(name: str) -> type[Any]:
    """The class of an input, its module imported.

    Raises ConfigError where there is none of that type and UnavailableError where a package that it needs is missing.
    """
    own, offered = _own(), _offered()
    if name not in own and name not in offered:
        raise ConfigError(f"there is no input '{name}'", hint=f"there are {', '.join(sorted({*own, *offered}))}")
    try:
        module: Any = import_module(f"{inputs.__name__}.{name}") if name in own else offered[name].load()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0].replace("_", "-")
        raise UnavailableError(f"the input '{name}' is unavailable", hint=f"pip install {package}") from error
    found: type[Any] = getattr(module, "INPUT", module)
    return found


def _own() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(inputs.__path__))


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
