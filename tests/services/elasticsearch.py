"""A real Elasticsearch from its published jars: one node a run, and further ones for tests that kill theirs."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from elasticsearch import ConnectionError, Elasticsearch

from tests.services.run import MissingError, ended, keep, log_tail, shared_server

VARIABLE = "TOCSIN_TEST_ELASTICSEARCH"
SCRIPT = Path(__file__).parents[2] / "deploy" / "elasticsearch" / "run.sh"
READY = 120.0
LACKING = 3
"""The script's exit code for a machine without JDK or Maven."""


def shared_elasticsearch() -> str:
    """The URL of the run's node, or of the one that the environment names; raises MissingError where there is none."""
    return os.environ.get(VARIABLE) or shared_server("elasticsearch", start_elasticsearch)


def start_elasticsearch(folder: Path) -> str:
    """Prepare and start a node; gives its URL once it takes documents."""
    prepare()
    return OwnNode(folder).start()


def prepare() -> None:
    """Get the jars and compile the node where that has not been done, saying so on stderr as it takes its time.

    Raises MissingError where JDK or Maven is missing, RuntimeError with Maven's words where it fails.
    """
    with subprocess.Popen([str(SCRIPT)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            sys.stderr.write(line)
            lines.append(line.strip())
    if process.returncode == LACKING:
        raise MissingError(f"{' '.join(lines)}; or let {VARIABLE} point at a node")
    if process.returncode:
        raise RuntimeError("\n".join(lines))


class OwnNode:
    """A node of the development kind with its data in a folder; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._keeper = 0

    def start(self) -> str:
        """Start, again at the same port, and wait until shards answer; raises RuntimeError with the log."""
        log = self.folder / "server.log"
        seen = log.stat().st_size if log.exists() else 0
        self._keeper = keep(self.folder, [str(SCRIPT), str(self.folder / "home"), f"http.port={self.port}"])
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline and not ended(self.folder):
            if said := re.search(rb"^ready (http://127.0.0.1:(\d+))$", log.read_bytes()[seen:], re.MULTILINE):
                self.port = int(said[2])
                url = said[1].decode()
                wait_for_shards(url)
                return url
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"Elasticsearch did not start: {log_tail(self.folder)}")

    def kill(self) -> None:
        """Kill the node as kill -9 does; its data stay."""
        if not ended(self.folder):
            os.kill(self._keeper, signal.SIGTERM)
        deadline = time.monotonic() + READY
        while not ended(self.folder) and time.monotonic() < deadline:
            time.sleep(0.01)


def wait_for_shards(url: str) -> None:
    """Wait until the primaries are there: after a restart the port answers before they do."""
    with Elasticsearch(url, max_retries=0) as client:
        client.cluster.health(wait_for_status="yellow", timeout="60s", wait_for_no_initializing_shards=True)


def answers(url: str) -> bool:
    """Whether something answers at the URL."""
    try:
        with Elasticsearch(url, max_retries=0, request_timeout=2) as client:
            client.info()
    except ConnectionError:
        return False
    return True
