"""Finding formats: their names without importing any, and the one that is asked for."""

from collections.abc import Collection
from typing import Final

from collector import formats
from collector.format import Format
from collector.format_auto import NAME as AUTO
from collector.format_auto import Auto
from collector.mapping.files import load_mapped, mapped_names
from stream.errors import ConfigError, UnavailableError
from stream.offers import Offers, modules_of

OFFERS: Final = Offers("format", "tocsin.formats", formats.__name__, "FORMAT", modules_of(formats))

_LAST: Final = ("native", "access_log", "uvicorn")
"""Formats that are tried last, since their marks are the least telling."""


def format_names() -> tuple[str, ...]:
    """The names of all formats: modules and descriptions in `formats`, and what other distributions offer."""
    return tuple(sorted({*OFFERS.names(), *mapped_names()}))


def load_format(name: str) -> Format:
    """A format, its module imported; `auto` finds each record's by itself.

    Raises ConfigError where there is none of that name and UnavailableError where a package that it needs is missing.
    """
    if name == AUTO:
        return load_auto()
    if name in mapped_names():
        return load_mapped(name)
    try:
        found: Format = OFFERS.load(name)
    except ConfigError as error:
        known = ", ".join((AUTO, *format_names()))
        raise ConfigError(error.what, hint=f"there are {known}; or name a YAML file") from None
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
    code = sorted(set(OFFERS.names()) - set(_LAST))
    return [*code, *sorted(mapped_names() - set(_LAST)), *_LAST]
