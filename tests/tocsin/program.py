"""`tocsin run` in a process of its own, spoken to the way producers and operators do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from stream.crashpoints import VARIABLE

ROOT = Path(__file__).parents[2]
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
        environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
        if crash_at is not None:
            environment[VARIABLE] = crash_at
        with self.screen.open("a") as out, self._log.open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tocsin", "run", "--config", str(self.config), "--data", str(self.data)],
                cwd=folder,
                env=environment,
                stdout=out,
                stderr=errors,
            )

    def configure(self, settings: dict[str, Any]) -> None:
        """Write the configuration; any port will do, and a nearly full disk is no obstacle."""
        plain = {"listen": {"port": 0}, "logging": {"format": "json"}, "reserve": {"percent": 0, "gib": 0}}
        self.config.write_text(json.dumps({**plain, **settings}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._http is not None:
            self._http.close()
        if self.process.poll() is None:
            self.kill()

    @property
    def died(self) -> int | None:
        """The exit status, None while it runs."""
        return self.process.poll()

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
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def kill(self) -> None:
        """End it as a power failure does."""
        self.process.kill()
        self.process.wait(DEADLINE)

    def _request(self, method: str, path: str, headers: dict[str, str], **said: Any) -> httpx.Response:
        try:
            return self.http().request(method, path, headers=headers, **said)
        except httpx.TransportError as error:
            until(lambda: self.died is not None, f"the program has ended after {error!r}")
            raise DiedError(self.said()) from error
