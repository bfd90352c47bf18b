"""`tocsin run` in a process of its own, spoken to the way producers and operators do."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from stream.crashpoints import VARIABLE

DEADLINE = 60.0
"""Seconds that a condition may take on a busy machine; a good run takes far less."""

Found = TypeVar("Found")


class DiedError(Exception):
    """The process ended while something was expected of it."""


def until(look: Callable[[], Found | None], what: str, *, seconds: float = DEADLINE) -> Found:
    """What `look` finds, as soon as it finds something that is not false or None."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not in {seconds:g} seconds: {what}"
        time.sleep(0.02)
    return found


class Nursery:
    """The process that starts others; see `nursery.py`."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._lock = threading.Lock()

    def start(self, argv: list[str], cwd: Path, stdout: Path, stderr: Path, environment: dict[str, str]) -> int:
        """Start `tocsin` with arguments; the process's id."""
        order = {"argv": argv, "cwd": str(cwd), "stdout": str(stdout), "stderr": str(stderr)}
        pid = self._ask({"run": {**order, "environment": environment}})
        assert isinstance(pid, int)
        return pid

    def poll(self, pid: int) -> int | None:
        """The exit status of a process, None while it runs."""
        status = self._ask({"poll": pid})
        assert status is None or isinstance(status, int)
        return status

    def _ask(self, question: object) -> object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answer: object = json.loads(self._process.stdout.readline())
        return answer


@cache
def nursery() -> Nursery:
    """The one nursery of this test process; it ends with it, since its input ends."""
    return Nursery()


class Program:
    """One `tocsin run` over a folder: what it prints goes to files there, one after the other over restarts."""

    def __init__(self, folder: Path, settings: dict[str, Any] | None = None, *, crash_at: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = folder / "data"
        self.config = folder / "tocsin.yaml"
        if settings is not None or not self.config.exists():
            self.configure(settings or {})
        self.screen = folder / "stdout"
        self._log = folder / "stderr"
        self._log.touch()
        self._from = self._log.stat().st_size
        self._http: httpx.Client | None = None
        self._nursery = nursery()
        self._status: int | None = None
        argv = ["run", "--config", str(self.config), "--data", str(self.data)]
        environment = {VARIABLE: crash_at or ""}
        self.pid = self._nursery.start(argv, folder, self.screen, self._log, environment)

    def configure(self, settings: dict[str, Any]) -> None:
        """Write the configuration; any port will do, and a nearly full disk is no obstacle."""
        plain = {"listen": {"port": 0}, "logging": {"format": "json"}, "reserve": {"percent": 0, "gib": 0}}
        self.config.write_text(json.dumps({**plain, **settings}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._http is not None:
            self._http.close()
        if self.died is None:
            self.kill()

    @property
    def died(self) -> int | None:
        """The exit status, None while it runs."""
        if self._status is None:
            self._status = self._nursery.poll(self.pid)
        return self._status

    def told(self) -> list[dict[str, Any]]:
        """Its own log so far."""
        lines = self._log.read_bytes()[self._from :].splitlines()
        return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]

    def said(self) -> str:
        """Everything it wrote to standard error."""
        return self._log.read_text()[self._from :]

    def listening(self) -> str:
        """Its address, once it has one; raises DiedError where it ends before."""

        def look() -> str | None:
            found = [entry["url"] for entry in self.told() if entry["message"] == "listening"]
            if not found and self.died is not None:
                raise DiedError(self.said())
            return found[0] if found else None

        return until(look, "the program listens")

    def http(self) -> httpx.Client:
        """A client for its address, without any key."""
        if self._http is None:
            self._http = httpx.Client(base_url=self.listening(), timeout=DEADLINE)
        return self._http

    def request(self, method: str, path: str, **said: Any) -> httpx.Response:
        """Ask as the operator does; raises DiedError where the process ends meanwhile."""
        token = (self.data / "token").read_text().strip()
        return self._request(method, f"/api/v1{path}", {"authorization": f"Bearer {token}"}, **said)

    def get(self, path: str, **query: Any) -> Any:
        """The answer to an operator's question."""
        answer = self.request("GET", path, params=query)
        assert answer.is_success, answer.text
        return answer.json()

    def post(self, events: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Send events as a producer does; raises DiedError where no answer comes, as a spool would notice."""
        self.listening()
        key = (self.data / "first-collector-key").read_text().strip()
        headers = {"authorization": f"Bearer {key}", "content-type": "application/x-ndjson"}
        body = "\n".join(json.dumps(event) for event in events)
        answer = self._request("POST", "/v1/events", headers, content=body)
        assert answer.is_success, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def ready(self) -> Self:
        """Wait until it has caught up with its log."""
        until(lambda: self._request("GET", "/readyz", {}).is_success, "the program is ready")
        return self

    def settled(self) -> dict[str, Any]:
        """Wait until everything that was accepted so far has been folded and decided; the status then."""
        end = self.get("/status")["events"]["end"]

        def look() -> dict[str, Any] | None:
            status: dict[str, Any] = self.get("/status")
            done = status["events"]["folded"] >= end and status["outputs"]["decided"] >= status["outputs"]["end"]
            return status if done else None

        return until(look, "everything is folded and decided")

    def stop(self) -> int:
        """End it as an operator does; its exit status."""
        return self.end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power failure does."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals) -> int:
        """Send it a signal and wait for its exit status."""
        os.kill(self.pid, how)
        until(lambda: self.died is not None, f"the program ends after {how.name}")
        assert self._status is not None
        return self._status

    def _request(self, method: str, path: str, headers: dict[str, str], **said: Any) -> httpx.Response:
        try:
            return self.http().request(method, path, headers=headers, **said)
        except httpx.TransportError as error:
            until(lambda: self.died is not None, f"the program has ended after {error!r}")
            raise DiedError(self.said()) from error
