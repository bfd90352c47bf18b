"""Which thread an opening of an incident has in a channel: remembered, and else looked up by what messages bear."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alerting.sink import Result

KIND: Final = "tocsin_alert"
"""The type of the metadata that our messages bear."""
REMEMBERED: Final = 1000
"""Threads that are remembered; older ones are looked up again."""
PAGE: Final = 200
PAGES: Final = 5
"""Pages of a channel's history that are read at most; what lies further back begins a new thread."""
EARLIER: Final = 3600.0
"""Seconds before an incident's opening, on the log's clock, from which on Slack's is searched."""

Read = Callable[[str, Mapping[str, str]], dict[str, Any] | Result]
"""Asks a method of the API: what it says, or why it does not."""
Ours = tuple[str, str, Mapping[str, Any]]
"""The key of a thread, the alert that a message in it tells of, and the message."""


@dataclass(slots=True)
class Thread:
    """A thread: its first message's `ts` and blocks, and the alerts told in it as far as they are known."""

    ts: str
    alerts: list[str]
    blocks: list[dict[str, Any]] = field(default_factory=list)


class Threads:
    """The threads of one channel. Messages of others are not believed, whatever they bear."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._known: OrderedDict[str, Thread] = OrderedDict()
        self._ourselves = ""

    def known(self, key: str) -> Thread | None:
        """A thread that is remembered."""
        return self._known.get(key)

    def begun(self, key: str, ts: str, alert: str, blocks: list[dict[str, Any]]) -> None:
        """Remember a thread that was begun just now."""
        self._keep(key, Thread(ts, [alert], blocks))

    def found(self, key: str, since: float, *, fresh: bool) -> Thread | Result | None:
        """The thread as the channel has it, `fresh` with all alerts told in it; None where there is none.

        A result says that it could not be looked up: `retry` for now, `refused` with this token.
        """
        thread: Thread | Result | None = self._known.get(key) or self._search(key, since)
        if not isinstance(thread, Thread) or not fresh:
            return thread
        for found in self._pages("conversations.replies", {"ts": thread.ts}):
            if isinstance(found, Result):
                return found
            thread.alerts += [told for _, told, _ in found if told not in thread.alerts]
        return thread

    def _search(self, key: str, since: float) -> Thread | Result | None:
        for found in self._pages("conversations.history", {"oldest": f"{since - EARLIER:.6f}"}):
            if isinstance(found, Result):
                return found
            for name, told, message in found:
                if name == key and message.get("thread_ts", message["ts"]) == message["ts"]:
                    thread = Thread(str(message["ts"]), [told], list(message.get("blocks") or []))
                    self._keep(key, thread)
                    return thread
        return None

    def _pages(self, method: str, asked: Mapping[str, str]) -> Iterator[list[Ours] | Result]:
        """Our messages, page by page; a result ends them."""
        if not self._ourselves:
            who = self._read("auth.test", {})
            if isinstance(who, Result):
                yield who
                return
            self._ourselves = str(who.get("bot_id") or who.get("user_id") or "")
        cursor = ""
        for _ in range(PAGES):
            more = {"cursor": cursor} if cursor else {}
            page = self._read(method, {**asked, "limit": str(PAGE), "include_all_metadata": "true", **more})
            if isinstance(page, Result):
                yield page
                return
            yield list(self._ours(page))
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    def _ours(self, page: Mapping[str, Any]) -> Iterator[Ours]:
        """What is ours on a page."""
        for message in page.get("messages") or []:
            marks = message.get("metadata") or {}
            payload = marks.get("event_payload") or {}
            ours = self._ourselves in (message.get("bot_id"), message.get("user"))
            if ours and marks.get("event_type") == KIND and "ts" in message:
                yield str(payload.get("key")), str(payload.get("alert")), message

    def _keep(self, key: str, thread: Thread) -> None:
        self._known[key] = thread
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
