"""A real Kafka from its published jars: one broker a run, and further ones for tests that kill theirs."""

import gc
import os
import socket
import time
import warnings
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from stream import kafka_topics
from stream.kafka_address import Address, parse_address
from tests.services.postgres import free_port
from tests.services.run import OwnServer, ended, keep, log_tail, prepare, shared_server

VARIABLE = "TOCSIN_TEST_KAFKA"
SCRIPT = Path(__file__).parents[2] / "deploy" / "kafka" / "run.sh"
READY = 60.0


def shared_kafka() -> str:
    """host:port of the run's broker, or of the one that the environment names; raises MissingError where none is."""
    return os.environ.get(VARIABLE) or shared_server("kafka", start_kafka)


def start_kafka(folder: Path) -> str:
    """Prepare and start a broker; gives host:port once it takes records."""
    prepare(SCRIPT, f"let {VARIABLE} point at a broker (host:port)")
    return OwnBroker(folder).start()


class OwnBroker(OwnServer):
    """A broker with its data in a folder; it can be killed and started again at the same port.

    `settings` go beyond those of `run.sh`; PORT in them is the port that it gets, PORT1 the next.
    """

    def __init__(self, folder: Path, settings: tuple[str, ...] = ()) -> None:
        super().__init__(folder)
        self._settings = settings

    def start(self) -> str:
        """Start and wait until it leads its partitions; raises RuntimeError with the log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(5):
            # A free port may be taken before the broker has it, so try again; once it had one it keeps it.
            port = self.port or free_port()
            settings = [
                setting.replace("PORT1", str(port + 1)).replace("PORT", str(port)) for setting in self._settings
            ]
            command = [str(SCRIPT), str(self.folder / "home"), str(port), *settings]
            self._keeper = keep(self.folder, command)
            if wait_ready(f"127.0.0.1:{port}", self.folder):
                self.port = port
                return f"127.0.0.1:{port}"
            if not ended(self.folder):
                self.kill()
                break
        raise RuntimeError(f"Kafka did not start: {log_tail(self.folder)}")


def wait_ready(server: str, folder: Path) -> bool:
    """Wait until a broker is registered and not fenced: an open port alone is too early."""
    deadline = time.monotonic() + READY
    host, _, port = server.rpartition(":")
    while time.monotonic() < deadline and not ended(folder):
        try:
            # A client that finds nobody leaves its sockets open, so it is made only once somebody is there.
            socket.create_connection((host, int(port)), 1).close()
            client = KafkaAdminClient(bootstrap_servers=server, bootstrap_timeout_ms=30_000, request_timeout_ms=3000)
        except (OSError, KafkaError):
            _abandon()
            time.sleep(0.05)
            continue
        try:
            if client.describe_cluster()["brokers"]:
                return True
        except KafkaError:
            time.sleep(0.1)
        finally:
            client.close()
    return False


def _abandon() -> None:
    """Collect the sockets of a client that was refused while it was made, which nobody can close, here and now.

    Else they are collected in the middle of some test, which their warning fails.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def fresh_log(server: str, prefix: str, partitions: int = 1) -> Address:
    """The address of a new log with topics of its own."""
    address = parse_address(f"kafka://{server}/{prefix}", {})
    kafka_topics.create(address, kafka_topics.wanted(address, partitions, 7), 1)
    return address
