"""Microsoft Teams: one card an alert, posted to the webhook of a workflow (Power Automate) in a channel.

Facts of the service: learn.microsoft.com, "Create and send messages" of Teams' webhooks (an Adaptive Card in a
message, 28 KB at most, four requests a second) and "RichTextBlock" of Adaptive Cards (its runs of text know no
Markdown). A workflow answers 202 when it has taken a message, before it posts it. Webhooks of the older kind answer 200
to what Teams then refuses, with the status in words.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final

import msgspec

from alerting.alert import Alert
from alerting.delivering.posting import REFUSED, Poster, one_by_one, taken
from alerting.harmless import harmless
from alerting.sink import DONE, PATH, SECRET, Result
from alerting.wording.chat import SHORTEST, body, headline
from stream.finding import Severity

LARGEST: Final = 24 * 1024
"""Bytes of a message at most; Teams takes 28 KB of what a workflow makes of it."""
TITLE: Final = 250
"""Characters of the line that a card begins with."""
LONGEST: Final = 8000
"""Characters of a card's text."""
COLORS: Final[dict[Severity, str]] = {
    "critical": "Attention",
    "high": "Attention",
    "medium": "Warning",
    "low": "Default",
    "notice": "Default",
}
_REFUSED_THERE: Final = re.compile(r"returned HTTP error (\d{3})")


class TeamsOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channel is told."""

    url: Annotated[str, msgspec.Meta(extra=SECRET)]
    """The address that the workflow "Post to a channel when a webhook request is received" was given."""
    pager: bool = True
    """Whether it is told of pages alone, and of those missed in an outage as one digest; else of every change."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that the service's certificate is checked against, else the system's."""
    timeout: float = 10.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError("url must begin with https://")


class Teams:
    """Posts one card an alert, in order.

    A webhook cannot be asked what arrived, nor change what it posted, so that an attempt in doubt is sent again and
    says that it may be a repeat.
    """

    name: ClassVar[str] = "teams"
    pager: ClassVar[bool] = True
    Options: ClassVar[type] = TeamsOptions

    def __init__(self, options: TeamsOptions) -> None:
        self._url = options.url
        self._poster = Poster(ca=options.ca, timeout=options.timeout)

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Post the alerts one by one; after the first `retry` nothing more is sent."""
        return one_by_one(alerts, lambda alert: self._deliver(alert, repeated=alert.id in in_doubt))

    def close(self) -> None:
        """Give back connections."""
        self._poster.close()

    def _deliver(self, alert: Alert, *, repeated: bool) -> Result:
        headers = {"content-type": "application/json"}
        answer = self._poster.send("POST", self._url, content=message(alert, repeated=repeated), headers=headers)
        if isinstance(answer, Result):
            return answer
        if (failed := taken(answer)) is not None:
            return failed
        if there := _REFUSED_THERE.search(answer.text):
            why = harmless(f"Teams refused it: {answer.text}", 300)
            return Result("refused" if int(there[1]) in REFUSED else "retry", why)
        return Result("done", repeated=True) if repeated else DONE


def message(alert: Alert, *, repeated: bool) -> bytes:
    """The request's body, of at most `LARGEST` bytes: the text is cut in its middle where it is longer."""
    room = LONGEST
    while True:
        content = msgspec.json.encode(card(alert, body(alert, room, repeated=repeated)))
        if len(content) <= LARGEST or room <= SHORTEST:
            return content
        room = room * 3 // 4


def card(alert: Alert, text: str) -> dict[str, Any]:
    """An Adaptive Card in a message; all of its text is in runs, which are shown as they are written."""
    color = "Good" if alert.change in ("resolved", "closed") else COLORS[alert.incident.severity]
    head = {"type": "TextRun", "text": headline(alert, TITLE), "weight": "Bolder", "size": "Medium", "color": color}
    shown = [head, *({"type": "TextRun", "text": line} for line in text.splitlines() if line)]
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "msteams": {"width": "Full"},
                    "body": [{"type": "RichTextBlock", "inlines": [run], "spacing": "Small"} for run in shown],
                },
            }
        ],
    }


SINK: Final = Teams
