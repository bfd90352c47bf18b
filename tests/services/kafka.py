"""A real Kafka from its published jars: one broker a run, further ones for tests that kill theirs, and clusters."""

import base64
import os
import secrets
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from stream.broker import client as kafka_client
from stream.broker import topics as kafka_topics
from stream.broker.address import Address, parse_address
from stream.broker.socket import PROXY
from stream.errors import TocsinError
from tests.services.postgres import free_port
from tests.services.run import OwnServer, ended, keep, log_tail, prepare, shared_server

VARIABLE = "TOCSIN_TEST_KAFKA"
SCRIPT = Path(__file__).parents[2] / "deploy" / "kafka" / "run.sh"
READY = 180.0


def shared_kafka() -> str:
    """host:port of the run's broker, or of the one that the environment names; raises MissingError where none is."""
    return os.environ.get(VARIABLE) or shared_server("kafka", start_kafka)


def start_kafka(folder: Path) -> str:
    """Prepare and start a broker; gives host:port once it takes records."""
    prepare(SCRIPT, f"let {VARIABLE} point at a broker (host:port)")
    # Compaction looks for work each fifteen seconds otherwise.
    return OwnBroker(folder, ("log.cleaner.backoff.ms=100",)).start()


class OwnBroker(OwnServer):
    """A broker with its data in a folder; it can be killed and started again at the same port.

    `settings` go beyond those of `run.sh`; PORT in them is the port that it gets, PORT1 the next. `environment` is for
    `run.sh`, too. Where `port` is given it has that one.
    """

    def __init__(
        self,
        folder: Path,
        settings: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(folder)
        self._settings = settings
        self._environment = [f"{name}={value}" for name, value in (environment or {}).items()]
        self.port = port
        self.file_kib = 0
        """KiB that one of its files may have from its next start on, as if its disk were full there; 0 for no bound."""

    def start(self) -> str:
        """Start and wait until it leads its partitions; raises RuntimeError with the log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(5):
            # A free port may be taken before the broker has it, so try again; once it had one it keeps it.
            port = self.port or free_port()
            settings = [
                setting.replace("PORT1", str(port + 1)).replace("PORT", str(port)) for setting in self._settings
            ]
            command = ["env", *self._environment, str(SCRIPT), str(self.folder / "home"), str(port), *settings]
            if self.file_kib:
                command = ["bash", "-c", 'ulimit -f "$0" && exec "$@"', str(self.file_kib), *command]
            self._keeper = keep(self.folder, command)
            if wait_ready(f"127.0.0.1:{port}", self.folder):
                self.port = port
                return f"127.0.0.1:{port}"
            if not ended(self.folder):
                self.kill()
                break
        raise RuntimeError(f"Kafka did not start: {log_tail(self.folder)}")


class OwnCluster:
    """Three brokers that replicate one another's partitions; each can be killed and started again by itself."""

    NODES: Final = 3

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        ports: list[int] = []
        while len(ports) < self.NODES:
            port = free_port()
            if all(abs(port - other) > 1 for other in ports):  # the next one is the controller's
                ports.append(port)
        controllers = ",".join(f"127.0.0.1:{port + 1}" for port in ports)
        first = ",".join(f"{number}@127.0.0.1:{port + 1}:{_uuid()}" for number, port in enumerate(ports, 1))
        environment = {"CLUSTER_ID": _uuid(), "FORMAT_OPTIONS": f"--initial-controllers {first}"}
        common = (
            f"controller.quorum.bootstrap.servers={controllers}",
            "default.replication.factor=3",
            "min.insync.replicas=2",
            "offsets.topic.replication.factor=3",
            "transaction.state.log.replication.factor=3",
            "transaction.state.log.min.isr=2",
            "share.coordinator.state.topic.replication.factor=3",
            "share.coordinator.state.topic.min.isr=2",
            # A busy machine makes brokers pause, who must not be taken for dead because of that.
            "broker.session.timeout.ms=9000",
            "broker.heartbeat.interval.ms=1000",
            "replica.lag.time.max.ms=15000",
        )
        self.server = ",".join(f"127.0.0.1:{port}" for port in ports)
        self.brokers = [
            OwnBroker(folder / str(number), (f"node.id={number}", *common), environment, port)
            for number, port in enumerate(ports, 1)
        ]

    def start(self) -> str:
        """Start all of them, and wait until all have been let in; the addresses of all."""
        with ThreadPoolExecutor(self.NODES) as pool:
            list(pool.map(lambda broker: broker.start(), self.brokers))
        self.joined(self.NODES)
        return self.server

    def revive(self) -> None:
        """Start those that were killed, and wait until they have everything."""
        for broker in self.brokers:
            if ended(broker.folder):
                broker.start()
        self.joined(self.NODES)

    def joined(self, count: int) -> None:
        """Wait until so many brokers are in the cluster and have every replica of every partition that is theirs."""
        deadline = time.monotonic() + READY
        while not self._whole(count):
            assert time.monotonic() < deadline, f"not in {READY:g} seconds: {count} brokers with all replicas"
            time.sleep(0.1)

    def leader(self, topic: str, partition: int = 0) -> OwnBroker:
        """The broker that leads a partition."""
        (found,) = self._describe([topic])
        number = int(next(one["leader_id"] for one in found["partitions"] if one["partition_index"] == partition))
        return self.brokers[number - 1]

    def kill(self) -> None:
        """Kill all of them."""
        for broker in self.brokers:
            broker.kill()

    def _whole(self, count: int) -> bool:
        address = parse_address(f"kafka://{self.server}/x", {})
        try:
            client = kafka_client.admin(address)
            try:
                brokers = len(client.describe_cluster()["brokers"])
                partitions = [one for topic in client.describe_topics() for one in topic["partitions"]]
            finally:
                client.close()
        except (KafkaError, TocsinError):
            return False
        least = [min(count, len(one["replica_nodes"])) for one in partitions]
        return brokers >= count and all(
            len(one["isr_nodes"]) >= some for one, some in zip(partitions, least, strict=True)
        )

    def _describe(self, topics: list[str]) -> list[dict[str, Any]]:
        """The topics as some broker knows them; one that was just killed is asked no second time."""
        deadline = time.monotonic() + READY
        while True:
            try:
                client = kafka_client.admin(parse_address(f"kafka://{self.server}/x", {}))
                try:
                    found: list[dict[str, Any]] = client.describe_topics(topics)
                    return found
                finally:
                    client.close()
            except (KafkaError, TocsinError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


def _uuid() -> str:
    """An id as Kafka has them: sixteen bytes in the alphabet of URLs, which does not begin as an option does."""
    return base64.urlsafe_b64encode(b"\x10" + secrets.token_bytes(15)).decode().rstrip("=")


def wait_ready(server: str, folder: Path) -> bool:
    """Wait until a broker is registered and not fenced: an open port alone is too early."""
    deadline = time.monotonic() + READY
    host, _, port = server.rpartition(":")
    while time.monotonic() < deadline and not ended(folder):
        try:
            socket.create_connection((host, int(port)), 1).close()
            client = KafkaAdminClient(
                bootstrap_servers=server, bootstrap_timeout_ms=30_000, request_timeout_ms=3000, proxy_url=PROXY
            )
        except (OSError, KafkaError):
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


def fresh_log(server: str, prefix: str, partitions: int = 1) -> Address:
    """The address of a new log with topics of its own."""
    address = parse_address(f"kafka://{server}/{prefix}", {})
    kafka_topics.create(address, kafka_topics.wanted(address, partitions, 7), 1)
    return address
