"""What Slack shows of an alert: blocks of plain text, which it formats nothing in, within its limits.

Limits: docs.slack.dev/reference/block-kit (a header holds 150 characters, a text object 3,000); of blocks with more
than about 13,000 characters the API says `msg_blocks_too_long` (slackapi/bolt-js#2509).
"""

from typing import Any, Final

from alerting.alert import Alert
from alerting.harmless import harmless
from alerting.sinks.slack.threads import KIND, Thread
from alerting.wording.chat import body, headline, paragraphs, quiet
from tocsin_audit.event import rfc3339

HEADER: Final = 150
TEXT: Final = 3000
"""Characters of one text object."""
LONGEST: Final = 8000
"""Characters of a message."""
NEVER: Final = frozenset(
    {
        "block_mismatch", "invalid_blocks", "invalid_blocks_format", "invalid_metadata_format",
        "invalid_metadata_schema", "metadata_too_large", "msg_blocks_too_long", "msg_too_long", "no_text",
        "too_many_blocks",
    }
)  # fmt: skip
"""What Slack says of a message that it will never take; all else may pass, or be put right by whoever runs it."""
BLIND: Final = frozenset({"missing_scope", "not_allowed_token_type", "method_not_supported_for_channel_type"})
"""What it says to a token that may not read the channel."""
STANDS: Final = "stands-"
"""What the id of the block begins with that says how an incident stands."""
_QUIET: Final[dict[str, Any]] = {
    "mrkdwn": False,
    "parse": "none",
    "link_names": False,
    "unfurl_links": False,
    "unfurl_media": False,
}


def first(alert: Alert, *, repeated: bool) -> dict[str, Any]:
    """The message that tells of an alert."""
    head = headline(alert, HEADER)
    pieces = paragraphs(body(alert, LONGEST, repeated=repeated), TEXT)
    return _message(head, [{"type": "header", "text": _plain(head)}, *(_section(piece) for piece in pieces)])


def again(thread: Thread, alert: Alert) -> dict[str, Any]:
    """A thread's first message as it is after a later alert: how the incident stands, and what it said itself."""
    incident = alert.incident
    head = headline(alert, HEADER)
    taken = f", taken by {quiet(harmless(incident.acknowledged_by, 60))}" if incident.acknowledged_by else ""
    stands = f"Now: {incident.status}{taken} (since {rfc3339(alert.time)[:19]}Z; the thread has how it went)"
    kept = [
        _section(str(block["text"]["text"]))
        for block in thread.blocks
        if block.get("type") == "section" and not str(block.get("block_id")).startswith(STANDS)
    ]
    now = {**_section(stands), "block_id": f"{STANDS}{incident.revision}"}
    return _message(head, [{"type": "header", "text": _plain(head)}, now, *kept])


def marked(key: str, alert: str) -> dict[str, Any]:
    """What a message is found again by, which nobody is shown."""
    return {"metadata": {"event_type": KIND, "event_payload": {"key": key, "alert": alert}}}


def _message(text: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"text": text, "blocks": blocks, **_QUIET}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _plain(text)}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}
