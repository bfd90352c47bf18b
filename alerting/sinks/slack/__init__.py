"""Slack: a thread for each opening of an incident by an app's token, or a message an alert by an incoming webhook.

Facts of the service: docs.slack.dev, reference/methods/chat.postMessage, chat.update, conversations.history and
conversations.replies, messaging/message-metadata, apis/web-api/rate-limits (429 with `Retry-After`), and "errors for
incoming webhooks". The API answers 200 with `ok: false` to what it does not do.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlencode

import httpx
import msgspec

from alerting.alert import Alert
from alerting.delivering.posting import Poster, one_by_one, taken
from alerting.harmless import harmless
from alerting.sink import DONE, PATH, SECRET, Result
from alerting.sinks.slack.message import BLIND, NEVER, again, first, marked
from alerting.sinks.slack.threads import Thread, Threads

CHANNEL: Final = re.compile(r"[CGD][A-Z0-9]{6,20}")
BEGINS: Final = frozenset({"opened", "reopened"})
TOGETHER: Final = frozenset({"bundle", "digest"})
POSTED: Final = {"content-type": "application/json; charset=utf-8"}


class SlackOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channel is told, and as what: `token` and `channel` of an app, or the `url` of an incoming webhook."""

    token: str | None = None
    """A bot's token (`xoxb-…`) with `chat:write`, and with `channels:history` (`groups:history` for a private channel)
    so that it finds its threads again after a restart."""
    channel: str | None = None
    """The channel's id, such as `C0123456789`; the app must be a member."""
    url: Annotated[str | None, msgspec.Meta(extra=SECRET)] = None
    """An incoming webhook's address instead: messages without threads."""
    pager: bool = True
    """Whether it is told of pages alone, and of those missed in an outage as one digest; else of every change."""
    api: str = "https://slack.com/api"
    """The API's address; https://slack-gov.com/api for GovSlack."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that the service's certificate is checked against, else the system's."""
    timeout: float = 10.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        if (self.url is None) == (self.token is None) or (self.token is None) != (self.channel is None):
            raise ValueError("either token and channel, or url")
        if not all(address.startswith("https://") for address in (self.api, self.url or "https://")):
            raise ValueError("url and api must begin with https://")
        if self.channel is not None and not CHANNEL.fullmatch(self.channel):
            raise ValueError("channel is an id such as C0123456789, not a name")


class Slack:
    """Tells a channel.

    With a token an opening's first alert begins a thread, later ones reply in it (pages in the channel, too), and the
    first message says how the incident stands; attempts in doubt are looked up. A webhook cannot be asked, so that what
    is in doubt is sent again and says that it may be a repeat.
    """

    name: ClassVar[str] = "slack"
    pager: ClassVar[bool] = True
    Options: ClassVar[type] = SlackOptions

    def __init__(self, options: SlackOptions) -> None:
        self._url = options.url
        self._api = options.api.rstrip("/")
        self._channel = options.channel or ""
        headers = {"authorization": f"Bearer {options.token}"} if options.token else None
        self._poster = Poster(ca=options.ca, timeout=options.timeout, headers=headers)
        self._threads = Threads(self._read)

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Tell the alerts one by one; after the first `retry` nothing more is sent."""
        if self._url is not None:
            return one_by_one(alerts, lambda alert: self._hook(alert, repeated=alert.id in in_doubt))
        return one_by_one(alerts, lambda alert: self._say(alert, in_doubt=alert.id in in_doubt))

    def close(self) -> None:
        """Give back connections."""
        self._poster.close()

    def _hook(self, alert: Alert, *, repeated: bool) -> Result:
        assert self._url is not None
        content = msgspec.json.encode(first(alert, repeated=repeated))
        answer = self._poster.send("POST", self._url, content=content, headers=POSTED)
        if isinstance(answer, Result):
            return answer
        return taken(answer) or (Result("done", repeated=True) if repeated else DONE)

    def _say(self, alert: Alert, *, in_doubt: bool) -> Result:
        key = alert.id if alert.change in TOGETHER else alert.incident.dedup_key
        thread: Thread | Result | None = self._threads.known(key)
        if in_doubt or (thread is None and alert.change not in BEGINS | TOGETHER):
            thread = self._threads.found(key, alert.incident.opened, fresh=in_doubt)
        repeated = False
        if isinstance(thread, Result):
            if thread.outcome == "retry":
                return thread
            thread, repeated = self._threads.known(key), in_doubt
        if in_doubt and thread is not None and alert.id in thread.alerts and not repeated:
            return Result("done", "it had arrived")
        if thread is None:
            return self._begin(key, alert, repeated=repeated)
        reply = first(alert, repeated=repeated) | {"thread_ts": thread.ts, "reply_broadcast": alert.page}
        posted = self._post("chat.postMessage", reply | marked(key, alert.id))
        if isinstance(posted, Result):
            return posted
        thread.alerts.append(alert.id)
        kept = self._post("chat.update", {**again(thread, alert), **marked(key, thread.alerts[0]), "ts": thread.ts})
        why = f"the thread's first message is old: {kept.why}" if isinstance(kept, Result) else ""
        return Result("done", why, repeated=repeated)

    def _begin(self, key: str, alert: Alert, *, repeated: bool) -> Result:
        message = first(alert, repeated=repeated)
        posted = self._post("chat.postMessage", message | marked(key, alert.id))
        if isinstance(posted, Result):
            return posted
        self._threads.begun(key, str(posted.get("ts", "")), alert.id, message["blocks"])
        return Result("done", repeated=True) if repeated else DONE

    def _read(self, method: str, asked: Mapping[str, str]) -> dict[str, Any] | Result:
        """What the API says to a question; `refused` where the token may not ask."""
        query = urlencode({"channel": self._channel, **asked} if asked else {})
        answer = self._poster.send("GET", f"{self._api}/{method}?{query}")
        return said(answer, BLIND)

    def _post(self, method: str, message: Mapping[str, Any]) -> dict[str, Any] | Result:
        content = msgspec.json.encode({**message, "channel": self._channel})
        return said(self._poster.send("POST", f"{self._api}/{method}", content=content, headers=POSTED), NEVER)


def said(answer: httpx.Response | Result, never: frozenset[str]) -> dict[str, Any] | Result:
    """What the API answers, or what it means that it did not do it: `refused` for the errors `never`."""
    if isinstance(answer, Result):
        return answer
    if (failed := taken(answer)) is not None:
        return failed
    try:
        words = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        return Result("retry", "the answer is none of Slack's API")
    if words.get("ok") is True:
        return words
    error = str(words.get("error", "no error named"))
    needed = f" (it needs {words['needed']})" if "needed" in words else ""
    return Result("refused" if error in never else "retry", harmless(f"Slack says {error}{needed}", 300))


SINK: Final = Slack
