"""Response on Kafka: every listener follows the denials, and whoever decides makes them."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from collector.denials import Tail
from stream.broker.address import Address
from stream.embedded.state import SqliteState
from stream.embedded.wal import Checkpointer
from stream.encryption.crypt import Crypt
from stream.kafka import KafkaLog
from tocsin.containment.denying import Denying

FILE: Final = "denials.sqlite"
"""How far a listener has followed the denials, in its data directory."""
WAIT: Final = 0.25


def following(
    address: Address,
    folder: Path,
    denying: Denying,
    clock: Callable[[], float],
    resources: ExitStack,
    crypt: Crypt | None = None,
) -> Callable[[], None]:
    """A stage that follows the facts in the stream of events, with a reader of its own.

    Facts are in every partition, so it reads the first one alone; what it knows outlives the process.
    """
    log = resources.enter_context(KafkaLog(address, bury=True, crypt=crypt))
    checkpointer = Checkpointer()
    resources.callback(checkpointer.close)
    state = SqliteState(folder / FILE, checkpointer, crypt)
    resources.callback(state.close)
    tail = Tail(log, state, denying.board, denying.changed)
    return lambda: tail.turn(clock(), wait=WAIT)
