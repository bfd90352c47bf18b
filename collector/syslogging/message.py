"""From a syslog message to its payload: the headers of RFC 5424, of RFC 3164, and of what is sent as such."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from collector.tailing.unwrap import moment

_PRIORITY: Final = re.compile(rb"<(\d{1,3})>")
_5424: Final = re.compile(
    rb"1 (?P<time>\S{1,40}) (?P<host>\S{1,255}) (?P<app>\S{1,64}) (?P<process>\S{1,128}) (?P<kind>\S{1,64})(?: |\Z)"
)
_ELEMENT: Final = re.compile(rb'\[[^\s=\]"]{1,64}(?: [^\s=\]"]{1,64}="(?:[^"\\]|\\.)*")*\]', re.DOTALL)
_3164_TIME: Final = re.compile(rb"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.\d+)? ")
_ISO_TIME: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\S{8,26}) ")
_TAG: Final = re.compile(rb"[\w./-]{1,64}(?:\[[^\]\s]{1,32}\])?: ?")
_HOST: Final = re.compile(rb"([\w.:-]{1,255}) ")
_PAYLOAD: Final = (b"{", b"CEF:", b"LEEF:", b"@cee:")
_COOKIE: Final = b"@cee:"
_BOM: Final = b"\xef\xbb\xbf"
_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


class Message(NamedTuple):
    """The payload of a message, and when its header says that it was sent."""

    payload: bytes
    time: float | None = None


def parse(data: bytes, now: float) -> Message:
    """A message without its header; what has none is all payload. `now` tells the year that RFC 3164 leaves out."""
    data = data.rstrip(b"\0\r\n")
    priority = _PRIORITY.match(data)
    rest = data[priority.end() :] if priority is not None else data
    if priority is not None and (header := _5424.match(rest)) is not None:
        return Message(
            _text(_without_elements(rest[header.end() :])), moment(header["time"].decode("ascii", "replace"))
        )
    time = None
    if (said := _3164_TIME.match(rest)) is not None:
        time = _dated(said, now)
        rest = rest[said.end() :]
    elif (iso := _ISO_TIME.match(rest)) is not None:
        time = moment(iso[1].decode("ascii", "replace"))
        rest = rest[iso.end() :]
    if (said is not None or time is not None) and not _TAG.match(rest) and (host := _HOST.match(rest)) is not None:
        rest = rest[host.end() :]
    if not rest.startswith(_PAYLOAD) and (tag := _TAG.match(rest)) is not None:
        rest = rest[tag.end() :]
    return Message(_text(rest), time)


def _without_elements(rest: bytes) -> bytes:
    if rest[:1] == b"-":
        return rest[1:]
    at = 0
    while (element := _ELEMENT.match(rest, at)) is not None:
        at = element.end()
    return rest[at:]


def _text(payload: bytes) -> bytes:
    return payload.strip().removeprefix(_BOM).removeprefix(_COOKIE).strip()


def _dated(said: re.Match[bytes], now: float) -> float | None:
    """A month, day and time in UTC in the year that puts it nearest to now."""
    today = datetime.fromtimestamp(now, UTC)
    day, hour, minute, second = (int(text) for text in said.groups()[1:])
    if said[1] not in _MONTHS:
        return None
    found = []
    for year in (today.year - 1, today.year, today.year + 1):
        try:
            found.append(datetime(year, _MONTHS.index(said[1]) + 1, day, hour, minute, second, tzinfo=UTC))
        except ValueError:
            continue
    nearest = min(found, key=lambda each: abs(each - today), default=None)
    return nearest.timestamp() if nearest is not None and abs(nearest - today) < timedelta(days=366) else None
