"""A small chat: takes messages as apprise's `json://` sends them, of a bounded length."""

import threading
from typing import Any

import msgspec

from tests.services.front import Reply, Request, json_reply

LONGEST = 40_000


class SmallChat:
    """What people see in the channel, in order."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        with self._lock:
            message = msgspec.json.decode(request.body)
            if not message["title"] or not message["message"] or message["attachments"]:
                return json_reply(400, {"error": "a title, a message and nothing else"})
            if len(message["title"]) + len(message["message"]) > LONGEST:
                return json_reply(413, {"error": "too long"})
            self.messages.append(message)
            return json_reply(200, {"ok": True})
