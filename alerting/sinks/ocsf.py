"""OCSF: findings and incidents as JSON of the Open Cybersecurity Schema Framework, to a file or over HTTP."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Final

import msgspec

from alerting.alert import Alert
from alerting.delivering.posting import Poster, one_by_one, taken
from alerting.delivering.rotated import Rotated
from alerting.harmless import harmless
from alerting.sink import DONE, PATH, SECRET, Result
from alerting.wording.ocsf import events

MIB: Final = 1024**2


class OcsfOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where events go: either a file that a shipper follows, or an address that takes them."""

    path: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """The file, one event a line."""
    max_mib: int = 100
    """MiB after which the file is put aside as `.1` and a new one begins."""
    keep: int = 5
    """How many files that were put aside are kept."""
    url: str | None = None
    """The address, to which the events of each alert are posted as a JSON array."""
    headers: Annotated[dict[str, str], msgspec.Meta(extra=SECRET)] = {}
    """Headers by name, such as `Authorization`; each value by reference."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that the address's certificate is checked against, else the system's."""
    timeout: float = 10.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        if (self.path is None) == (self.url is None):
            raise ValueError("say either path or url")
        if self.url is not None and not self.url.startswith("https://") and self.headers:
            raise ValueError("headers are only sent to an https:// address")
        if self.url is not None and not self.url.startswith(("https://", "http://")):
            raise ValueError("url must begin with https:// or http://")
        if self.max_mib < 1 or self.keep < 1:
            raise ValueError("max_mib and keep must be 1 or more")


class Ocsf:
    """Writes or posts the events of each alert together, in order.

    In a file, an attempt in doubt is looked up by the alert's id. Over HTTP it is sent again under the same ids
    (`metadata.uid`) and the same `Idempotency-Key`, and counts as a repeat.
    """

    name: ClassVar[str] = "ocsf"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = OcsfOptions

    def __init__(self, options: OcsfOptions) -> None:
        self._url = options.url
        self._poster = Poster(ca=options.ca, timeout=options.timeout, headers=options.headers)
        self._file = Rotated(Path(options.path or ""), limit=options.max_mib * MIB, keep=options.keep)

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Write all alerts at once, or post them one by one until the first `retry`."""
        url = self._url
        if url is None:
            return self._write(alerts, in_doubt)
        return one_by_one(alerts, lambda alert: self._post(url, alert, repeated=alert.id in in_doubt))

    def close(self) -> None:
        """Give back connections."""
        self._poster.close()

    def _write(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> list[Result]:
        try:
            marks = {mark(alert) for alert in alerts if alert.id in in_doubt}
            there = self._file.holding(marks) if marks else set[bytes]()
            missing = [alert for alert in alerts if mark(alert) not in there]
            self._file.append([msgspec.json.encode(event) for alert in missing for event in events(alert)])
        except OSError as error:
            return [Result("retry", harmless(f"the file cannot be written ({error})", 300))] * len(alerts)
        return [DONE] * len(alerts)

    def _post(self, url: str, alert: Alert, *, repeated: bool) -> Result:
        key = alert.id.encode("ascii", "backslashreplace").decode()
        headers = {"content-type": "application/json", "idempotency-key": key}
        answer = self._poster.send("POST", url, content=msgspec.json.encode(events(alert)), headers=headers)
        if isinstance(answer, Result):
            return answer
        return taken(answer) or (Result("done", repeated=True) if repeated else DONE)


def mark(alert: Alert) -> bytes:
    """What only the last event of an alert has in its line."""
    return b'"uid":' + msgspec.json.encode(alert.id) + b',"product"'


SINK: Final = Ocsf
