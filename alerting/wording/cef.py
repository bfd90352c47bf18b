"""An alert in ArcSight's Common Event Format, in a syslog message of RFC 5424.

Escapes and lengths: "ArcSight Common Event Format", version 26 (CEF:0). In the header `\\` and `|` are escaped, in the
extension `\\` and `=`; a line break can be in neither. Severities: 0-3 low, 4-6 medium, 7-8 high, 9-10 very high.
"""

import re
from importlib.metadata import version
from ipaddress import ip_address
from typing import Final

from alerting.alert import Alert
from alerting.harmless import UNTRUSTED, harmless, harmless_block
from alerting.wording.message import about, title
from stream.finding import Severity
from tocsin_audit.event import rfc3339

CEF: Final[dict[Severity, int]] = {"notice": 1, "low": 3, "medium": 5, "high": 8, "critical": 10}
SYSLOG: Final[dict[Severity, int]] = {"notice": 6, "low": 5, "medium": 4, "high": 3, "critical": 2}
"""Syslog's own severities: informational, notice, warning, error, critical."""
NAME: Final = 512
TEXT: Final = 1023
"""Characters that `msg` and the like hold."""
CUSTOM: Final = 4000
"""Characters that a custom string holds."""
_NO_HOST: Final = re.compile(r"[^!-~]")


def message(alert: Alert, *, facility: int, host: str, repeated: bool, limit: int) -> bytes:
    """The syslog message of an alert, of at most `limit` bytes; its text is shortened first, then what it is about."""
    incident = alert.incident
    pri = facility * 8 + SYSLOG[incident.severity]
    head = f"<{pri}>1 {rfc3339(alert.time)} {_NO_HOST.sub('', host)[:255] or '-'} tocsin - {alert.change} - "
    for text, custom in ((TEXT, CUSTOM), (300, 300), (100, 60), (0, 0)):
        made = (head + cef(alert, repeated=repeated, text=text, custom=custom)).encode()
        if len(made) <= limit:
            return made
    return (head + shortest(alert, repeated=repeated)).encode()


def cef(alert: Alert, *, repeated: bool, text: int = TEXT, custom: int = CUSTOM) -> str:
    """The alert as one line of CEF; `text` and `custom` are how many characters of prose it may hold."""
    incident = alert.incident
    extension = {
        "rt": milliseconds(alert.time),
        "start": milliseconds(incident.opened),
        "end": milliseconds(incident.updated),
        "externalId": harmless(incident.id, 40),
        "cnt": str(incident.events),
        "act": alert.change,
        "outcome": incident.status,
        "reason": alert.reason,
        "cat": incident.family,
        "src": _address(incident.entity.get("source_ip")),
        "suser": harmless(incident.entity.get("user"), min(custom, TEXT)) if custom else "",
        "dhost": harmless(incident.entity.get("server"), min(custom, TEXT)) if custom else "",
        **_custom(1, "tenant", harmless(incident.tenant, min(custom, 255)) if custom else ""),
        **_custom(2, "classes", ",".join(incident.classes)),
        **_custom(3, "about", harmless(about(incident), custom) if custom else ""),
        **_custom(4, "alert", harmless(alert.id, 128)),
        **_custom(5, "note", UNTRUSTED if custom == CUSTOM else ""),
        **_custom(6, "repeated", "true" if repeated else ""),
        "msg": " / ".join(harmless_block(alert.text, 40, 300))[:text],
    }
    name = title(incident)[: min(NAME, max(custom, 80))]
    return _line(alert, name, extension)


def shortest(alert: Alert, *, repeated: bool) -> str:
    """What every receiver has room for: which incident, how severe, what became of it."""
    extension = {"externalId": harmless(alert.incident.id, 40), "act": alert.change}
    return _line(alert, alert.incident.family, {**extension, **_custom(6, "repeated", "true" if repeated else "")})


def milliseconds(at: float) -> str:
    """A moment as CEF writes it."""
    return str(round(at * 1000))


def _line(alert: Alert, name: str, extension: dict[str, str]) -> str:
    incident = alert.incident
    header = ("Tocsin", "Tocsin", version("tocsin"), f"{incident.family}-{alert.change}", name)
    fields = " ".join(f"{key}={_value(value)}" for key, value in extension.items() if value)
    return f"CEF:0|{'|'.join(map(_header, header))}|{CEF[incident.severity]}|{fields}"


def _custom(number: int, label: str, value: str) -> dict[str, str]:
    return {f"cs{number}Label": label, f"cs{number}": value} if value else {}


def _header(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _value(text: str) -> str:
    return text.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n")


def _address(value: str | None) -> str:
    try:
        return str(ip_address(value or ""))
    except ValueError:
        return ""
