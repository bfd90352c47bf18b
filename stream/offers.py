"""What can be plugged in: our own modules and what other distributions offer, listed without importing any."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from stream.errors import ConfigError, UnavailableError


@dataclass(frozen=True, slots=True)
class Offers:
    """The things of one kind: `what` they are called, and the entry point `group` of other distributions.

    Our own are the modules of `package` whose names `own` gives; a module exposes its thing as `constant`.
    """

    what: str
    group: str
    package: str
    constant: str
    own: Callable[[], frozenset[str]]

    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return tuple(sorted(self.own() | self.offered().keys()))

    def offered(self) -> dict[str, EntryPoint]:
        """What other distributions offer."""
        return {point.name: point for point in entry_points(group=self.group)}

    def load(self, name: str) -> Any:
        """The thing of a name, its module imported.

        Raises ConfigError where there is none of that name and UnavailableError where a package that it needs is
        missing.
        """
        own = self.own()
        offered = self.offered() if name not in own else {}
        if name not in own and name not in offered:
            raise ConfigError(f"there is no {self.what} '{name}'", hint=f"there are {', '.join(self.names())}")
        try:
            module: Any = import_module(f"{self.package}.{name}") if name in own else offered[name].load()
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in ("", self.package.partition(".")[0]):
                raise  # a fault of this program, which no installation mends
            hint = f"pip install {missing.replace('_', '-')}"
            raise UnavailableError(f"the {self.what} '{name}' is unavailable", hint=hint) from error
        return getattr(module, self.constant, module)


def modules_of(package: ModuleType) -> Callable[[], frozenset[str]]:
    """Gives the names of a package's modules, without importing them."""
    return lambda: frozenset(module.name for module in pkgutil.iter_modules(package.__path__))
