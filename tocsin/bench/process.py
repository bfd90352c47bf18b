"""A Tocsin of its own for measuring: one child process on one core, and whoever talks to it on the others."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from stream.errors import UnavailableError
from tocsin.client import TOKEN_FILE, Client
from tocsin.demo.world import end_process, free_ports
from tocsin.upkeep.stage_time import NAME

START_SECONDS: Final = 60.0


class Running:
    """The child process, its address, a collector key and an operator's client."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, key: str, client: Client) -> None:
        self.process = process
        self.url = url
        self.key = key
        self.client = client

    def settled(self, timeout: float) -> dict[str, Any]:
        """The status once everything accepted is folded and decided; raises UnavailableError on time-out."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            status: dict[str, Any] = self.client.get("/status")
            events, outputs = status["events"], status["outputs"]
            if events["folded"] >= events["end"] and outputs["decided"] >= outputs["end"]:
                return status
            time.sleep(0.02)
        raise UnavailableError("what was accepted was not worked off in time", where=self.url)

    def cpu_seconds(self) -> float:
        """Processor time that the child has used so far, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stage_seconds(self) -> dict[str, float]:
        """Processor time of the child so far by stage, in seconds, as its metrics tell it."""
        page = httpx.get(f"{self.url}/metrics", timeout=10).raise_for_status().text
        return {
            sample.labels["stage"]: sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == f"{NAME}_total"
        }


def core_of(number: int) -> frozenset[int]:
    """One of the cores that this process may use; the last where there are fewer."""
    cores = sorted(os.sched_getaffinity(0))
    return frozenset({cores[min(number, len(cores) - 1)]})


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """A Tocsin with its defaults in a folder, on the first core; this process goes to the second."""
    (port,) = free_ports(1)
    config = folder / "tocsin.yaml"
    said = {"data": "data", "listen": {"port": port}, "logging": {"level": "warning"}, "reserve": {"gib": 0.2}}
    config.write_text(yaml.safe_dump(said), encoding="utf-8")
    base = [sys.executable, "-m", "tocsin"]
    arguments = ["--config", str(config)]
    key = subprocess.run(  # noqa: S603  # our own program with our own arguments
        [*base, "keys", "create", "bench", *arguments, "--raw"], capture_output=True, text=True, check=True
    ).stdout.strip()
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core_of(0))
    with (folder / "tocsin.log").open("wb") as log:
        process = subprocess.Popen([*base, "run", *arguments], stdout=log, stderr=log)  # noqa: S603  # as above
    os.sched_setaffinity(0, core_of(1))
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url, folder / "tocsin.log")
        client = Client(url, (folder / "data" / TOKEN_FILE).read_text(encoding="utf-8").strip())
        try:
            yield Running(process, url, key, client)
        finally:
            client.close()
    finally:
        end_process(process)
        os.sched_setaffinity(0, before)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise UnavailableError("Tocsin did not start", where=url, hint=log.read_text(encoding="utf-8")[-2000:])
