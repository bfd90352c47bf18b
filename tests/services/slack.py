"""A small Slack: one channel, the methods of the API that post, change and read, and an incoming webhook.

As docs.slack.dev says: 200 with `ok: false` and an error for what is not done, messages by their `ts`, replies that the
history does not show unless they are broadcast, metadata only where it is asked for. Stricter than Slack in that it
refuses arguments that it does not know.
"""

import threading
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tests.services.front import Reply, Request, json_reply

TOKEN = "xoxb-1234-5678-abcdef"
CHANNEL = "C0123456789"
HOOK = "/services/T0001/B0001/abcdefghijklmnop"
TOTAL = 13_000
SHOWN = {"text", "blocks", "mrkdwn", "parse", "link_names", "unfurl_links", "unfurl_media"}
POSTED = {*SHOWN, "channel", "metadata", "thread_ts", "reply_broadcast"}
UPDATED = {*SHOWN, "channel", "metadata", "ts"}
US = {"bot_id": "B0001", "user": "U0001"}


class SmallSlack:
    """What is in the channel, oldest first; `scopes` is what the token may do."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.scopes = {"chat:write", "channels:history"}
        self.asked: list[str] = []
        self.page = 200
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        with self._lock:
            parts = urlsplit(request.path)
            if parts.path == HOOK:
                return self._hook(request)
            method = parts.path.removeprefix("/api/")
            self.asked.append(method)
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return failed("invalid_auth")
            match request.method, method:
                case "GET", "auth.test":
                    return json_reply(200, {"ok": True, "bot_id": US["bot_id"], "user_id": US["user"]})
                case "GET", "conversations.history" | "conversations.replies":
                    return self._read(method, dict(parse_qsl(parts.query)))
                case "POST", "chat.postMessage":
                    return self._post(msgspec.json.decode(request.body))
                case "POST", "chat.update":
                    return self._update(msgspec.json.decode(request.body))
                case _:
                    return failed("unknown_method")

    def strangers(self, **message: Any) -> None:
        """Somebody else's message."""
        self.messages.append({"ts": self._next(), "bot_id": "B6666", "user": "U6666", "text": "hello", **message})

    def roots(self) -> list[dict[str, Any]]:
        """The messages that are no replies."""
        return [one for one in self.messages if "thread_ts" not in one]

    def _next(self) -> str:
        return f"1795262400.{len(self.messages):06d}"

    def _hook(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply(405, b"method_not_allowed")
        message = msgspec.json.decode(request.body)
        if message.keys() - SHOWN or fault_of(message):
            return Reply(400, b"invalid_blocks", {"content-type": "text/plain"})
        self.messages.append({**message, "ts": self._next(), **US})
        return Reply(200, b"ok", {"content-type": "text/html"})

    def _post(self, message: dict[str, Any]) -> Reply:
        if "chat:write" not in self.scopes:
            return failed("missing_scope", needed="chat:write")
        if message.get("channel") != CHANNEL:
            return failed("channel_not_found")
        if message.keys() - POSTED:
            return failed("invalid_arguments")
        if fault := fault_of(message):
            return failed(fault)
        if "thread_ts" in message and message["thread_ts"] not in {one["ts"] for one in self.roots()}:
            return failed("thread_not_found")
        made = {**message, "ts": self._next(), **US}
        self.messages.append(made)
        return json_reply(200, {"ok": True, "channel": CHANNEL, "ts": made["ts"], "message": made})

    def _update(self, message: dict[str, Any]) -> Reply:
        if message.keys() - UPDATED:
            return failed("invalid_arguments")
        if fault := fault_of(message):
            return failed(fault)
        for one in self.messages:
            if one["ts"] == message["ts"]:
                if one["bot_id"] != US["bot_id"]:
                    return failed("cant_update_message")
                one.update({key: value for key, value in message.items() if key != "channel"})
                return json_reply(200, {"ok": True, "ts": one["ts"]})
        return failed("message_not_found")

    def _read(self, method: str, asked: dict[str, str]) -> Reply:
        if "channels:history" not in self.scopes:
            return failed("missing_scope", needed="channels:history", provided="chat:write")
        if asked["channel"] != CHANNEL:
            return failed("channel_not_found")
        if method == "conversations.replies":
            found = [one for one in self.messages if asked["ts"] in (one["ts"], one.get("thread_ts"))]
        else:
            found = [one for one in reversed(self.messages) if "thread_ts" not in one or one.get("reply_broadcast")]
            found = [one for one in found if float(one["ts"]) >= float(asked["oldest"])]
        if asked.get("include_all_metadata") != "true":
            found = [{key: value for key, value in one.items() if key != "metadata"} for one in found]
        start, size = int(asked.get("cursor", 0)), min(self.page, int(asked["limit"]))
        more = str(start + size) if len(found) > start + size else ""
        body = {"ok": True, "messages": found[start : start + size], "response_metadata": {"next_cursor": more}}
        return json_reply(200, body)


def failed(error: str, **more: str) -> Reply:
    """An answer to what is not done."""
    return json_reply(200, {"ok": False, "error": error, **more})


def fault_of(message: dict[str, Any]) -> str:
    """What is wrong with a message, or nothing."""
    if not message.get("text"):
        return "no_text"
    blocks = message.get("blocks", [])
    if len(blocks) > 50:
        return "too_many_blocks"
    for block in blocks:
        text = block.get("text", {})
        longest = {"header": 150, "section": 3000}.get(block.get("type"), 0)
        if text.get("type") != "plain_text" or not 0 < len(text.get("text", "")) <= longest or text.get("emoji"):
            return "invalid_blocks"
    if sum(len(block["text"]["text"]) for block in blocks) > TOTAL:
        return "msg_blocks_too_long"
    marks = message.get("metadata")
    if marks is not None and (set(marks) != {"event_type", "event_payload"} or not marks["event_type"]):
        return "invalid_metadata_schema"
    return "metadata_too_large" if len(msgspec.json.encode(marks)) > 8000 else ""
