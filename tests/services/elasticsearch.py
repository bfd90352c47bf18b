"""A real Elasticsearch from its published jars: one node a run, and further ones for tests that kill theirs."""

import os
import re
import time
from pathlib import Path

from elasticsearch import ConnectionError, Elasticsearch

from tests.services.run import OwnServer, ended, keep, log_tail, prepare, shared_server

VARIABLE = "TOCSIN_TEST_ELASTICSEARCH"
SCRIPT = Path(__file__).parents[2] / "deploy" / "elasticsearch" / "run.sh"
READY = 120.0


def shared_elasticsearch() -> str:
    """The URL of the run's node, or of the one that the environment names; raises MissingError where there is none."""
    return os.environ.get(VARIABLE) or shared_server("elasticsearch", start_elasticsearch)


def start_elasticsearch(folder: Path) -> str:
    """Prepare and start a node; gives its URL once it takes documents."""
    prepare(SCRIPT, f"let {VARIABLE} point at a node")
    return OwnNode(folder).start()


class OwnNode(OwnServer):
    """A node of the development kind with its data in a folder; it can be killed and started again."""

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
