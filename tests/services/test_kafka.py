import os
import subprocess
from pathlib import Path

import pytest

from stream.broker import client as kafka_client
from tests.services.kafka import SCRIPT, OwnBroker, fresh_log, wait_ready

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]


def test_the_broker_makes_topics_for_whoever_asks(kafka_server: str) -> None:
    address = fresh_log(kafka_server, "probe", 3)
    client = kafka_client.admin(address)
    try:
        (topic,) = client.describe_topics(["probe.events"])
    finally:
        client.close()
    assert len(topic["partitions"]) == 3


@pytest.mark.slow
def test_a_broker_that_was_killed_goes_on_at_its_port(kafka_server: str, tmp_path: Path) -> None:
    broker = OwnBroker(tmp_path / "own")
    server = broker.start()
    assert server != kafka_server
    broker.kill()
    assert broker.start() == server
    assert wait_ready(server, broker.folder)
    broker.kill()


def test_a_machine_without_java_is_told_what_is_missing(tmp_path: Path) -> None:
    for name in ("bash", "cat", "cksum", "dirname", "sed", "tr"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}")
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "LC_ALL": os.environ.get("LC_ALL", "C.UTF-8")}
    told = subprocess.run([str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 3
    assert "not installed" in told.stderr or "no JDK of version 17" in told.stderr
