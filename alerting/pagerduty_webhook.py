"""What PagerDuty reports of a page: its webhooks v3, signed, of which an acknowledgement is one here.

Facts: developer.pagerduty.com/docs/webhooks-overview (`event.event_type`, `event.agent`, `event.data.incident_key`) and
developer.pagerduty.com/docs/verifying-webhook-signatures (`X-PagerDuty-Signature` holds one `v1=` HMAC-SHA256 of the
body in hex, or several while a secret is being changed).
"""

import hmac
import re
from typing import Final, NamedTuple

import msgspec

from stream.clean import clean_text
from stream.errors import RejectedError

ACKNOWLEDGED: Final = "incident.acknowledged"
SIGNATURES: Final = 10
"""Signatures in one header that are looked at."""
_KEY: Final = re.compile(r"tocsin:([0-9a-z-]{1,64}):(\d{1,9})")


class Taken(NamedTuple):
    """Somebody took a page: the incident's id, its opening, and who."""

    incident: str
    opening: int
    by: str


class _Agent(msgspec.Struct):
    summary: str | None = None
    id: str | None = None


class _Data(msgspec.Struct):
    incident_key: str | None = None


class _Event(msgspec.Struct):
    event_type: str
    agent: _Agent | None = None
    data: _Data | None = None


class _Body(msgspec.Struct):
    event: _Event


def signed(secret: str, header: str, body: bytes) -> bool:
    """Whether one of the header's signatures is that of the body; compared in constant time."""
    expected = b"v1=" + hmac.new(secret.encode(), body, "sha256").hexdigest().encode()
    good = False
    for said in header.split(",")[:SIGNATURES]:
        good = hmac.compare_digest(expected, said.strip().encode("ascii", "replace")) or good
    return good


def taken(body: bytes) -> Taken | None:
    """Who took which page; None for whatever else is reported, and for pages that are not ours.

    Raises RejectedError where the body is no webhook of PagerDuty's.
    """
    try:
        event = msgspec.json.decode(body, type=_Body).event
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = "subscribe this address to webhooks v3 of the service"
        raise RejectedError("the body is no webhook v3 of PagerDuty", hint=hint) from error
    key = _KEY.fullmatch((event.data and event.data.incident_key) or "")
    if event.event_type != ACKNOWLEDGED or key is None:
        return None
    agent = event.agent or _Agent()
    return Taken(key[1], int(key[2]), f"{clean_text(agent.summary or agent.id or 'somebody', 80)} (PagerDuty)")
