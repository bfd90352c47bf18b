"""Webhook: each alert as one signed JSON body, posted to whatever the operator runs."""

import hmac
import time
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Final

import msgspec

from alerting.alert import Alert
from alerting.delivering.posting import Poster, one_by_one, taken
from alerting.sink import DONE, PATH, SECRET, Result
from alerting.wording.plain import plain

SMALLEST: Final = 4096
SHORTEST_SECRET: Final = 16
OURS: Final = frozenset({"content-type", "content-length", "host", "idempotency-key", "tocsin-signature", "user-agent"})
"""Headers that are not the operator's to set."""


class WebhookOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where alerts are posted, and how they are signed."""

    url: str
    """The receiver's address."""
    secret: str
    """What the receiver checks signatures with: 16 characters or more, random."""
    headers: Annotated[dict[str, str], msgspec.Meta(extra=SECRET)] = {}
    """Further headers by name, such as `Authorization`; each value by reference."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that the receiver's certificate is checked against, else the system's."""
    timeout: float = 10.0
    """Seconds to wait for an answer."""
    max_bytes: int = 256 * 1024
    """Bytes of a body at most; what does not fit is left out from the end, and counted."""
    pager: bool = False
    """Whether it is told of pages alone, and of those missed in an outage as one digest; else of every change."""
    plain_http: bool = False
    """Whether an address without TLS is accepted, for a receiver on the same machine."""

    def __post_init__(self) -> None:
        if not self.url.startswith("https://") and not (self.plain_http and self.url.startswith("http://")):
            raise ValueError(f"url must begin with https:// (or say plain_http: true), not {self.url[:40]!r}")
        if len(self.secret) < SHORTEST_SECRET:
            raise ValueError(f"secret needs {SHORTEST_SECRET} characters or more")
        if taken_names := sorted(OURS & {name.lower() for name in self.headers}):
            raise ValueError(f"the header {taken_names[0]} is Tocsin's own")
        if not all(name.isascii() and value.isprintable() for name, value in self.headers.items()):
            raise ValueError("headers are printable text in ASCII")
        if self.max_bytes < SMALLEST:
            raise ValueError(f"max_bytes must be {SMALLEST} or more")


class Webhook:
    """Posts one body an alert, in order; a receiver knows a repeat by its `Idempotency-Key`, the alert's id.

    The signature covers the time of sending and the body, so that what was caught on the way cannot be sent again
    later. An attempt in doubt is sent again and says `repeated`, since nobody can ask the receiver.
    """

    name: ClassVar[str] = "webhook"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = WebhookOptions

    def __init__(self, options: WebhookOptions, *, clock: Callable[[], float] = time.time) -> None:
        self._options = options
        self._clock = clock
        self._poster = Poster(ca=options.ca, timeout=options.timeout, headers=options.headers)

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Post the alerts one by one; after the first `retry` nothing more is sent."""
        return one_by_one(alerts, lambda alert: self._deliver(alert, repeated=alert.id in in_doubt))

    def close(self) -> None:
        """Give back connections."""
        self._poster.close()

    def _deliver(self, alert: Alert, *, repeated: bool) -> Result:
        body = msgspec.json.encode(plain(alert, repeated=repeated, limit=self._options.max_bytes))
        headers = {
            "content-type": "application/json",
            "user-agent": "tocsin",
            "idempotency-key": alert.id.encode("ascii", "backslashreplace").decode(),
            "tocsin-signature": signature(self._options.secret, int(self._clock()), body),
        }
        answer = self._poster.send("POST", self._options.url, content=body, headers=headers)
        if isinstance(answer, Result):
            return answer
        return taken(answer) or (Result("done", repeated=True) if repeated else DONE)


def signature(secret: str, at: int, body: bytes) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 over the time of sending in seconds, a dot, and the body."""
    digest = hmac.new(secret.encode(), b"%d." % at + body, "sha256").hexdigest()
    return f"t={at},v1={digest}"


SINK: Final = Webhook
