"""Finding formats: their names without importing any, and the one that is asked for."""

import pkgutil
from collections.abc import Collection
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from collector import formats
from collector.format import Format
from collector.format_auto import NAME as AUTO
from collector.format_auto import Auto
from collector.mapping_files import load_mapped, mapped_names
from stream.errors import ConfigError, UnavailableError

GROUP: Final = "tocsin.formats"
"""The entry point group under which other distributions offer formats: name = module."""

_LAST: Final = ("native", "access_log", "uvicorn")
"""Formats that are tried last, since their marks are the least telling."""


def format_names() -> tuple[str, ...]:
    """The names of all formats: modules and descriptions in `formats`, and what other distributions offer."""
    return tuple(sorted({*_own(), *mapped_names(), *_offered()}))


def load_format(name: str) -> Format:
    """A format, its module imported; `auto` finds each record's by itself.

    Raises ConfigError where there is none of that name and UnavailableError where a package that it needs is missing.
    """
    if name == AUTO:
        return load_auto()
    own, offered = _own(), _offered()
    if name in mapped_names():
        return load_mapped(name)
    if name not in own and name not in offered:
        known = ", ".join((AUTO, *format_names()))
        raise ConfigError(f"there is no format '{name}'", hint=f"there are {known}; or name a YAML file")
    try:
        module: Any = import_module(f"{formats.__name__}.{name}") if name in own else offered[name].load()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0].replace("_", "-")
        raise UnavailableError(f"the format '{name}' is unavailable", hint=f"pip install {package}") from error
    found: Format = getattr(module, "FORMAT", module)
    return found


def load_auto(without: Collection[str] = ()) -> Auto:
    """What finds each record's format by itself, among all that are available but some."""
    forms = []
    for name in _surest_first():
        if name not in without:
            try:
                forms.append(load_format(name))
            except UnavailableError:
                # A format of another distribution that lacks something is not what everybody else waits for.
                continue
    return Auto(forms)


def _surest_first() -> list[str]:
    code = sorted((_own() | _offered().keys()) - set(_LAST))
    return [*code, *sorted(mapped_names() - set(_LAST)), *_LAST]


def _own() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(formats.__path__))


@cache
def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
