"""A small Alertmanager: the API v2's alerts as it is documented, kept in memory alone, as the real one does.

Stricter than the real one in that it refuses label values of more than 255 characters, which it would keep.
"""

import re
import threading
from datetime import datetime
from typing import Any

import msgspec

from tests.services.front import Reply, Request, json_reply

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class SmallAlertmanager:
    """Alerts by their labels; `restart` forgets them all."""

    def __init__(self) -> None:
        self.alerts: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        with self._lock:
            return self._answer(request)

    def restart(self) -> None:
        """Forget every alert."""
        self.alerts.clear()

    def active(self, now: float) -> list[dict[str, Any]]:
        """The alerts that fire at a moment, oldest first."""
        firing = [alert for alert in self.alerts.values() if moment(alert["endsAt"]) > now]
        return sorted(firing, key=lambda alert: moment(alert["startsAt"]))

    def _answer(self, request: Request) -> Reply:
        if request.path != "/api/v2/alerts":
            return json_reply(404, {"code": 404, "message": f"path {request.path} was not found"})
        if request.method != "POST":
            return json_reply(405, {"code": 405, "message": f"method {request.method} is not allowed"})
        if request.headers.get("content-type") != "application/json":
            return json_reply(415, {"code": 415, "message": "unsupported media type"})
        faults = []
        for alert in msgspec.json.decode(request.body):
            if fault := check(alert):
                faults.append(fault)
            else:
                self.alerts[tuple(sorted(alert["labels"].items()))] = alert
        return json_reply(400, "; ".join(faults)) if faults else Reply(200)


def check(alert: dict[str, Any]) -> str:
    """What is wrong with an alert, or nothing."""
    if unknown := alert.keys() - {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}:
        return f"unknown fields {sorted(unknown)}"
    labels, notes = alert.get("labels"), alert.get("annotations", {})
    if not isinstance(labels, dict) or not labels.get("alertname"):
        return "at least one label pair required"
    for name, value in [*labels.items(), *notes.items()]:
        if not NAME.fullmatch(name) or not isinstance(value, str):
            return f"invalid label set: {name!r}"
    if long := [name for name, value in labels.items() if not 0 < len(value) <= 255]:
        return f"label values of 1 to 255 characters, not {long}"
    if moment(alert["endsAt"]) < moment(alert["startsAt"]):
        return "start time must be before end time"
    return ""


def moment(text: str) -> float:
    """A date-time of the API in seconds."""
    return datetime.fromisoformat(text).timestamp()
