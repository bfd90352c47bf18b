"""The listener of a process that takes events in, as the configuration wants it."""

from collections.abc import Callable
from typing import Protocol

from collector.keys import FILE, Keys
from collector.limits import MIB, Limits
from collector.listener import Listener
from stream.log import Log
from tocsin.containment.denying import Denying
from tocsin.own_events import OwnEvents
from tocsin.receiving.inputs import Inputs
from tocsin.setup import Ready
from tocsin.upkeep.metrics import Metrics


class Receiving(Protocol):
    """What a listener needs of what runs behind it."""

    clock: Callable[[], float]
    metrics: Metrics
    own_events: OwnEvents

    @property
    def ready_made(self) -> Ready:
        """The configuration."""
        ...


def listener_of(served: Receiving, log: Log, inputs: Inputs, denying: Denying) -> Listener:
    """A listener that appends to a log, with the keys, limits and enrichment of the configuration."""
    ready = served.ready_made
    listen = ready.config.listen
    return Listener(
        log,
        Keys(ready.data / FILE),
        denying.told,
        observer=served.metrics,
        clock=served.clock,
        limits=Limits(
            body=listen.body_mib * MIB, in_flight=listen.in_flight_mib * MIB, key_rate=listen.key_mib_per_second * MIB
        ),
        tallies=inputs.tallies,
        enrich=ready.enrich,
        hear=denying.obedience.hear,
        stranger=lambda address, why: served.own_events.failed("collector", address, why),
    )
