"""Finding the inputs that can be configured: their types without importing any, and the one that is asked for."""

from typing import Any, Final

from collector import inputs
from stream.offers import Offers, modules_of

OFFERS: Final = Offers("input", "tocsin.inputs", inputs.__name__, "INPUT", modules_of(inputs))


def input_names() -> tuple[str, ...]:
    """The types of all inputs: the modules in `inputs` and what other distributions offer."""
    return OFFERS.names()


def load_input(name: str) -> type[Any]:
    """The class of an input, its module imported; raises ConfigError or UnavailableError as `Offers.load` does."""
    found: type[Any] = OFFERS.load(name)
    return found
