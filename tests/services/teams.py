"""A small Teams: the webhook of a workflow, which takes a message with one Adaptive Card in it.

Stricter than Teams in that it takes cards of text runs alone, which know no Markdown.
"""

import threading
from typing import Any

import msgspec

from tests.services.front import Reply, Request, json_reply

PATH = "/workflows/643e69f83c8944/triggers/manual/paths/invoke?api-version=2016-06-01&sig=abcdef"
LARGEST = 28 * 1024
RUN = {"type", "text", "weight", "size", "color"}


class SmallTeams:
    """The cards in the channel, oldest first, each as its lines; what is `forbidden` its policy lets nobody say."""

    def __init__(self, forbidden: str = "") -> None:
        self._forbidden = forbidden
        self.cards: list[list[str]] = []
        self.colors: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        with self._lock:
            if request.path != PATH:
                code = {"code": "DirectApiAuthorizationRequired", "message": "The request must be authenticated"}
                return json_reply(401, {"error": code})
            if request.method != "POST" or request.headers.get("content-type") != "application/json":
                return json_reply(415, {"error": {"code": "UnsupportedMediaType", "message": "JSON is needed"}})
            if len(request.body) > LARGEST:
                return json_reply(413, {"error": {"code": "RequestEntityTooLarge", "message": "28 KB"}})
            message = msgspec.json.decode(request.body)
            if fault := fault_of(message):
                return json_reply(400, {"error": {"code": "TriggerInputSchemaMismatch", "message": fault}})
            if self._forbidden and self._forbidden.encode() in request.body:
                return json_reply(
                    400, {"error": {"code": "PolicyViolation", "message": "a policy forbids the message"}}
                )
            runs = [block["inlines"][0] for block in message["attachments"][0]["content"]["body"]]
            self.cards.append([run["text"] for run in runs])
            self.colors.append(runs[0]["color"])
            return Reply(202)


def fault_of(message: dict[str, Any]) -> str:
    """What is wrong with a message, or nothing."""
    if set(message) != {"type", "attachments"} or message["type"] != "message" or len(message["attachments"]) != 1:
        return "a message with one attachment"
    (attachment,) = message["attachments"]
    if attachment["contentType"] != "application/vnd.microsoft.card.adaptive":
        return "an Adaptive Card"
    card = attachment["content"]
    if card.get("type") != "AdaptiveCard" or card.get("version") not in ("1.2", "1.3", "1.4", "1.5"):
        return "a card of a version that Teams shows"
    if card.get("msteams", {}).keys() - {"width"} or card.get("actions"):
        return "no mentions and no actions"
    for block in card["body"]:
        if block["type"] != "RichTextBlock" or any(run["type"] != "TextRun" for run in block["inlines"]):
            return "runs of text alone"
        if any(run.keys() - RUN or not run["text"] for run in block["inlines"]):
            return "runs with text and how it looks"
    return ""
