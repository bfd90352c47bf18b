"""A small receiver of webhooks: what docs/sinks.md tells its readers to build, and strict about what it is sent."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from tests.docs.blocks import blocks
from tests.house import ROOT
from tests.services.front import Reply, Request, json_reply

LARGEST = 256 * 1024
NEEDED = {"v", "id", "time", "change", "reason", "page", "repeated", "incident", "findings", "findings_left_out"}


def verification() -> Callable[..., bool]:
    """The function that the documentation gives to receivers."""
    (snippet,) = blocks(ROOT / "docs" / "sinks.md", "python")
    names: dict[str, Any] = {}
    exec(compile(snippet, "docs/sinks.md", "exec"), names)  # the documentation's own code is what is tested
    found: Callable[..., bool] = names["verified"]
    return found


class SmallReceiver:
    """Takes each id once; `bodies` has what it acted on, `attempts` counts what was sent."""

    def __init__(self, secret: str, headers: dict[str, str] | None = None) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.attempts = 0
        self._secret = secret
        self._headers = headers or {}
        self._verified = verification()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        with self._lock:
            return self._answer(request)

    def _answer(self, request: Request) -> Reply:
        self.attempts += 1
        if request.method != "POST" or request.headers.get("content-type") != "application/json":
            return json_reply(405, {"error": "POST application/json"})
        if any(request.headers.get(name.lower()) != value for name, value in self._headers.items()):
            return json_reply(401, {"error": "who are you?"})
        if not self._verified(self._secret, request.headers.get("tocsin-signature", ""), request.body):
            return json_reply(401, {"error": "the signature is not that of the body, or it is old"})
        if len(request.body) > LARGEST:
            return json_reply(413, {"error": f"more than {LARGEST} bytes"})
        body = msgspec.json.decode(request.body)
        if missing := NEEDED - body.keys():
            return json_reply(422, {"error": f"{sorted(missing)} missing"})
        if request.headers.get("idempotency-key") != body["id"]:
            return json_reply(422, {"error": "the key is not the alert's id"})
        if len(body["id"]) > 255:
            return json_reply(422, {"error": "an id of more than 255 characters is none of Tocsin's"})
        if body["id"] in {known["id"] for known in self.bodies}:
            return json_reply(200, {"known": True})
        self.bodies.append(body)
        return json_reply(202, {"taken": True})
