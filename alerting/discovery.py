"""Finding sinks: their names without importing any, and the one that is configured."""

from typing import Final

from alerting import sinks
from alerting.sink import Sink
from stream.offers import Offers, modules_of

OFFERS: Final = Offers("sink", "tocsin.sinks", sinks.__name__, "SINK", modules_of(sinks))


def sink_names() -> tuple[str, ...]:
    """The names of all sinks: the modules in `sinks` and what other distributions offer."""
    return OFFERS.names()


def load_sink(name: str) -> type[Sink]:
    """The class of a sink, its module imported; raises ConfigError or UnavailableError as `Offers.load` does."""
    found: type[Sink] = OFFERS.load(name)
    return found
