"""The demo's processes: a Tocsin with a fortnight of history, and a real MCP server beside it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import yaml

from stream.errors import TocsinError, UnavailableError
from tocsin.client import TOKEN_FILE, Client
from tocsin.scenarios.company import directory
from tocsin.scenarios.history import history

MARKER: Final = "this folder is made by tocsin demo, and made anew each time"
START_SECONDS: Final = 180.0

Say = Callable[[str], None]


class DemoWorld:
    """Two child processes and their folder; both end with the context.

    `sinks` are configuration sections of sinks that really receive the alerts, with `base` the folder that relative
    paths in them start at.
    """

    def __init__(self, folder: Path, sinks: dict[str, Any], environment: dict[str, str], say: Say) -> None:
        self.folder = folder
        self._sinks = sinks
        self._environment = environment
        self._say = say
        self._stack = ExitStack()
        self.url = ""
        self.server = ""

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def client(self) -> Client:
        """An operator's client of the demo's Tocsin."""
        return Client(self.url, (self.folder / "data" / TOKEN_FILE).read_text(encoding="utf-8").strip())

    def _set_up(self) -> None:
        self._clear()
        ports = free_ports(2)
        self.url, self.server = (f"http://127.0.0.1:{port}" for port in ports)
        (self.folder / "directory.yaml").write_text(yaml.safe_dump(directory(), sort_keys=False), encoding="utf-8")
        config = {
            "data": "data",
            "directory": "directory.yaml",
            "listen": {"port": ports[0]},
            "sinks": self._sinks,
            "logging": {"format": "json"},
        }
        path = self.folder / "tocsin.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        self._say("writing a fortnight of ordinary history")
        past = self.folder / "history.ndjson"
        with past.open("wb") as out:
            for line in history(time.time()):
                out.write(line + b"\n")
        self._say("importing it, so that baselines know what is ordinary")
        self._tocsin("import", str(past), "--config", str(path))
        key = self._tocsin("keys", "create", "demo-crm", "--config", str(path), "--raw").strip()
        self._say("starting Tocsin")
        run = self._start("tocsin", ["-m", "tocsin", "run", "--config", str(path)], {})
        self._wait(run, "Tocsin", f"{self.url}/readyz")
        self._say("starting a real MCP server, audited by one line of middleware")
        crm = self._start(
            "crm",
            ["-m", "tocsin.scenarios.crm", "--port", str(ports[1])],
            {
                "TOCSIN_URL": self.url,
                "TOCSIN_KEY": key,
                "TOCSIN_FINGERPRINT_KEY": "demo:0123456789abcdef0123456789abcdef",
                "TOCSIN_SPOOL": str(self.folder / "spool"),
            },
        )
        self._wait(crm, "the MCP server", f"{self.server}/mcp")

    def _clear(self) -> None:
        marker = self.folder / "MADE-BY-TOCSIN-DEMO"
        if self.folder.exists() and any(self.folder.iterdir()):
            if not marker.exists():
                raise TocsinError(
                    "the folder is not empty and was not made by the demo",
                    where=str(self.folder),
                    hint="name another one with --data",
                )
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        marker.write_text(MARKER + "\n", encoding="utf-8")

    def _tocsin(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603  # our own program with our own arguments
            [sys.executable, "-m", "tocsin", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self._environment},
        )
        if done.returncode != 0:
            raise TocsinError(f"tocsin {arguments[0]} failed: {done.stderr.strip()}", where=str(self.folder))
        return done.stdout

    def _start(self, name: str, arguments: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        log = self._stack.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(  # noqa: S603  # our own program with our own arguments
            [sys.executable, *arguments],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **self._environment, **environment},
        )
        self._stack.callback(end_process, process)
        return process

    def _wait(self, process: "subprocess.Popen[bytes]", what: str, url: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                if httpx.get(url, timeout=2).status_code not in (500, 502, 503):
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise UnavailableError(f"{what} did not start", where=url, hint=f"see the logs in {self.folder}")


def end_process(process: "subprocess.Popen[bytes]") -> None:
    """End a child process, kindly first."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """So many ports of loopback that nobody listened on a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
