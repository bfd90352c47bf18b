"""A worker that detects and nothing else: kafka_worker.py HOST:PORT PREFIX.

History has its own clock, so it never ticks. It says `partition N` on stdout when it has taken one over.
"""

import signal
import sys
import threading
from collections.abc import Sequence

from stream.broker.address import parse_address
from stream.broker.group import Membership
from stream.errors import StorageError
from stream.finding import Finding
from stream.frame import Record
from stream.kafka import KafkaLog
from tocsin.config.whole import parse_config
from tocsin.roles.detect import Detecting, fence_of
from tocsin.roles.tasks import tasks_of
from tocsin.setup import assemble


class Mute:
    """Hears of frames and says nothing."""

    def folded(self, record: Record, findings: Sequence[Finding]) -> None:
        """A frame was folded."""


def main(server: str, prefix: str) -> None:
    """Work until SIGTERM."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    address = parse_address(f"kafka://{server}/{prefix}", {})
    topic = f"{prefix}.events"
    membership = Membership(address, "detect", topic, session_ms=1500)
    detectors = assemble(parse_config(""), sinks=False).detectors
    with KafkaLog(address, fence=fence_of(topic, membership), bury=True) as log:
        detecting = Detecting(
            log, membership, tasks_of(log, log.partitions, detectors, observer=Mute()), snapshot_seconds=0.2
        )
        told: set[int] = set()
        while not ending.is_set():
            try:
                detecting.turn()
            except StorageError as error:
                # As a stage of the program does: it says so and tries again; who was asleep learns that he is out.
                print(error, file=sys.stderr, flush=True)
                ending.wait(0.1)
            for number in sorted(detecting.tasks.keys() - told):
                print("partition", number, flush=True)
            told = set(detecting.tasks)
        detecting.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
