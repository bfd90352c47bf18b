"""The format `mcp.audit.v1`: one JSON object a line, as `tocsin_audit` ships it."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from collector.format import About, RecordError
from stream.decode import prepare
from tocsin_audit.event import DECODER, FIELDS, STAMPED, AuditEvent

DEPTH: Final = 512
"""Levels of nesting in one line at most; every reader can follow that far."""
BRACKETS: Final = 4096
"""Opening brackets in one line at most, texts aside."""
_BUT_QUOTES_AND_BRACKETS: Final = bytes(set(range(256)) - set(b'"[]{}'))
_PLACE: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?P<place>[^`]*)`)?$", re.DOTALL)
_NOT_SHOWN: Final = re.compile(r"^\$\.?")
_SHOWN: Final = 300


class _Kind(msgspec.Struct):
    kind: str = ""


_KIND: Final = msgspec.json.Decoder(_Kind)
_VALUES: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER: Final = msgspec.json.Encoder()
_NEVER_NULL: Final = frozenset(
    field.name
    for field in msgspec.structs.fields(AuditEvent)
    if field.default not in (None, msgspec.NODEFAULT) and not isinstance(field.default, msgspec.Raw)
)
"""Fields that have a value of their own where nothing is said: lists above all."""


class Native:
    """Reads `mcp.audit.v1`."""

    name = "native"
    about = About(
        title="Tocsin's own events, `mcp.audit.v1`",
        versions="tocsin-audit 0.1",
        fields=frozenset(FIELDS) - STAMPED,
        blind="nothing that its producer could see",
    )

    def fits(self, record: bytes) -> bool:
        """Whether it is an object with a time and a server."""
        return b'"server"' in record and b'"time"' in record and (b'"method"' in record or b'"kind"' in record)

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        """The one event of a line."""
        line = record.strip()
        if deep(line):
            raise RecordError(
                "too_deep",
                f"nested deeper than {DEPTH} levels, or more than {BRACKETS} brackets",
                hint="flatten it, or leave the value out",
            )
        (line,) = spoken((line,))
        event = _decoded(line)
        if event.method is None and event.kind == "request" and not _KIND.decode(line).kind:
            raise RecordError(
                "missing",
                "neither method nor kind is there",
                field="method",
                hint='add "method": "tools/call" or a kind',
            )
        try:
            prepare([event], line)
        except (ValueError, OverflowError) as error:
            raise RecordError(
                "time",
                str(error)[:_SHOWN],
                field="time",
                hint="RFC 3339 with a zone, or seconds since 1970 as a number",
            ) from error
        if not event.server:
            raise RecordError("missing", "the server's name is empty", field="server", hint="name the MCP server")
        return (event,)


FORMAT: Final = Native()


def parse_lines(payload: bytes, lines: Sequence[bytes]) -> list[AuditEvent] | None:
    """The events of newline-joined lines at one go, one for each; None where a line needs a verdict of its own.

    Anything that is not plainly one object a line, good in every way, is left to `Native.parse`.
    """
    # Between a closing and an opening brace a line end is always one between two objects.
    if [line[:1] for line in lines].count(b"{") < len(lines) or [line[-1:] for line in lines].count(b"}") < len(lines):
        return None
    if max(map(len, lines), default=0) > 2 * DEPTH and any(len(line) > 2 * DEPTH and deep(line) for line in lines):
        return None
    try:
        events = DECODER.decode_lines(payload)
        if len(events) != len(lines):
            return None
        if not payload.isascii():
            payload.decode()
        prepare(events, payload, lines)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None
    if "" in {event.server for event in events}:
        return None
    if None in [event.method for event in events] and any(e.method is None and e.kind == "request" for e in events):
        return None
    return events


def parse_spoken(payload: bytes, lines: Sequence[bytes]) -> tuple[list[AuditEvent] | None, Sequence[bytes], bytes]:
    """As `parse_lines`, once more without null keys where these may be why not; with what was parsed last."""
    events = parse_lines(payload, lines)
    if events is None and b"null" in payload:
        lines = spoken(lines)
        payload = b"\n".join(lines)
        events = parse_lines(payload, lines)
    return events, lines, payload


def spoken(lines: Sequence[bytes]) -> list[bytes]:
    """Lines without the keys whose value may not be null but is: it says what a missing key says.

    Lines that are no objects, hold no such key, or look like another format's, stay as they are.
    """
    return [_spoken(line) if b"null" in line and FORMAT.fits(line) else line for line in lines]


def _spoken(line: bytes) -> bytes:
    try:
        values = _VALUES.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return line
    said = {key: value for key, value in values.items() if key not in _NEVER_NULL or bytes(value) != b"null"}
    return line if len(said) == len(values) else _ENCODER.encode(said)


def deep(line: bytes, brackets: int = BRACKETS) -> bool:
    """Whether a line is nested deeper, or has more brackets outside of its texts, than is allowed."""
    if line.count(b"[") + line.count(b"{") <= DEPTH:
        return False
    # Whole passes in C, since an attacker chooses how long this takes. Taking away two quotes that stand together
    # leaves all else inside or outside of texts as it was.
    marks = line.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _BUT_QUOTES_AND_BRACKETS)
    outside = b"".join(marks.replace(b'""', b"").split(b'"')[::2])
    if outside.count(b"[") + outside.count(b"{") > brackets:
        return True
    depth = deepest = 0
    for bracket in outside[: 2 * brackets]:
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest > DEPTH


def _decoded(line: bytes) -> AuditEvent:
    try:
        event = DECODER.decode(line)
        line.decode()
    except msgspec.ValidationError as error:
        match = _PLACE.match(str(error))
        assert match is not None
        field = _NOT_SHOWN.sub("", match["place"] or "")
        missing = re.match(r"Object missing required field `(\w+)`", match["what"])
        if missing is not None:
            raise RecordError(
                "missing", f"{missing[1]} is not there", field=missing[1], hint="every event has a time and a server"
            ) from error
        hint = "see the field's meaning in the event schema; a field that is not known may be left out"
        if field in ("received", "late", "skewed"):
            hint = "leave it out: Tocsin sets it at receipt"
        raise RecordError("field", match["what"][:_SHOWN], field=field, hint=hint) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            "malformed", f"not one JSON object ({str(error)[:_SHOWN]})", hint="send one JSON object a line, in UTF-8"
        ) from error
    return event
