"""Mail, chats and whatever else apprise speaks to (Mattermost, Discord, SMS, …): plain text by one URL."""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Final

import apprise
import msgspec

from alerting.alert import Alert, Change
from alerting.delivering.posting import LONGEST_WAIT, REFUSED, one_by_one
from alerting.harmless import harmless
from alerting.sink import DONE, PATH, SECRET, Result
from alerting.wording.chat import SHORTEST, body, headline
from stream.finding import Severity

TYPES: Final[dict[Severity, apprise.NotifyType]] = {
    "critical": apprise.NotifyType.FAILURE,
    "high": apprise.NotifyType.FAILURE,
    "medium": apprise.NotifyType.WARNING,
    "low": apprise.NotifyType.INFO,
    "notice": apprise.NotifyType.INFO,
}
ENDS: Final[frozenset[Change]] = frozenset({"resolved", "closed"})
LOGGER: Final = "apprise"
LONGEST: Final = 8000
"""Characters of a message at most, where the service takes more."""
GROWTH: Final = 0.75
"""The share of a service's room that text takes at most before it is written in the service's own format."""
TOO_MANY: Final = 429
_STATUS: Final = re.compile(r"error=(\d{3})\b")


class ChatOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which service is told; one URL is one place, so that each has its own answers."""

    url: Annotated[str, msgspec.Meta(extra=SECRET)]
    """The service as an apprise URL, such as `mailtos://…`, `mmosts://…` or `discord://…`."""
    pager: bool = True
    """Whether it is told of pages alone, and of those missed in an outage as one digest; else of every change."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that an HTTP service's certificate is checked against, else apprise's own."""
    timeout: float = 10.0
    """Seconds to wait for an answer."""
    pause: float = 30.0
    """Seconds that a service is left alone that has too much (429): apprise does not tell how long it asked for."""

    def __post_init__(self) -> None:
        if service(self.url) is None:
            # The URL holds secrets, so that only what stands before them is named.
            raise ValueError(f"apprise knows no such URL ({self.url.partition('://')[0][:20]}://…)")
        if not 0 <= self.pause <= LONGEST_WAIT:
            raise ValueError(f"pause must be from 0 to {LONGEST_WAIT:.0f} seconds")


class Chat:
    """Sends one message an alert; nobody can be asked what arrived, so that one in doubt says it may be a repeat."""

    name: ClassVar[str] = "chat"
    pager: ClassVar[bool] = True
    Options: ClassVar[type] = ChatOptions

    def __init__(self, options: ChatOptions) -> None:
        self._apprise = apprise.Apprise(asset=asset())
        found = service(options.url)
        assert found is not None
        found.socket_connect_timeout = found.socket_read_timeout = options.timeout
        found.overflow_mode = apprise.OverflowMode.TRUNCATE
        if options.ca is not None:
            found.verify_certificate = options.ca  # it is handed to `requests` as it is, which takes a path as well
        # apprise sends in threads of its own, and what it logs there is all that it says.
        self._said: list[str] = []
        found.send = listening(found.send, self._said)
        self._service = found
        self._pause = options.pause
        self._apprise.add(found)

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Send the alerts one by one; after the first `retry` nothing more is sent."""
        return one_by_one(alerts, lambda alert: self._deliver(alert, repeated=alert.id in in_doubt))

    def close(self) -> None:
        """Nothing to give back: apprise ends each connection itself."""

    def _deliver(self, alert: Alert, *, repeated: bool) -> Result:
        head = headline(alert, max(SHORTEST, self._service.title_maxlen or 250))
        room = min(LONGEST, int(self._service.body_maxlen * GROWTH)) - len(head) - 2
        kind = apprise.NotifyType.SUCCESS if alert.change in ENDS else TYPES[alert.incident.severity]
        self._said.clear()
        sent = self._apprise.notify(
            body=body(alert, room, repeated=repeated),
            title=head,
            notify_type=kind,
            body_format=apprise.NotifyFormat.TEXT,
            interpret_escapes=False,
        )
        if sent:
            return Result("done", repeated=True) if repeated else DONE
        return failure(self._said, self._pause)


def service(url: str) -> Any:
    """What apprise makes of a URL; None where it is none."""
    return apprise.Apprise.instantiate(url, asset=asset())


def asset() -> apprise.AppriseAsset:
    """How we appear, and that nothing is interpreted, kept on disk, or sent side by side."""
    return apprise.AppriseAsset(
        app_id="Tocsin",
        app_desc="Tocsin",
        app_url="",
        image_url_mask=None,
        image_url_logo=None,
        interpret_emojis=False,
        async_mode=False,
        secure_logging=True,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )


def failure(said: Sequence[str], pause: float) -> Result:
    """What a message that was not taken means, by what apprise logged of it; `pause` is for a service with too much."""
    why = harmless("; ".join(said) or "the service did not take it", 300)
    statuses = [int(found) for line in said for found in _STATUS.findall(line)]
    if statuses and set(statuses) <= REFUSED:
        return Result("refused", why)
    return Result("retry", why, pause if TOO_MANY in statuses else None)


def listening(send: Callable[..., bool], said: list[str]) -> Callable[..., bool]:
    """A service's own sending, which adds what is logged of it to `said`."""

    class Listening(logging.Handler):
        def __init__(self) -> None:
            super().__init__(logging.WARNING)
            self.thread = threading.get_ident()

        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == self.thread:
                said.append(record.getMessage())

    def sending(*given: Any, **named: Any) -> bool:
        handler, logger = Listening(), logging.getLogger(LOGGER)
        logger.addHandler(handler)
        try:
            return send(*given, **named)
        finally:
            logger.removeHandler(handler)

    return sending


SINK: Final = Chat
