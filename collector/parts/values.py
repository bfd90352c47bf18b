"""Values of foreign records, each bounded, cleaned and of one type, or null."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import msgspec

from collector.format import RecordError
from collector.formats.native import BRACKETS, DEPTH, deep
from stream.clean import TEXT, clean_text
from tocsin_audit.event import NULL_LIKE, seconds

LEAST: Final = -(2**63)
MOST: Final = 2**63 - 1
ITEMS: Final = 1024
"""Items of one list at most."""

_SPARSE: Final = 8
_REDACTED: Final = re.compile(r"[\W_]*(?:redacted|masked|removed|hidden|filtered)[\W_]*|\*{3,}", re.IGNORECASE)
_ZONED: Final = re.compile(
    r"\A(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?\d*\s?(Z|z|UTC|[+-]\d\d:?\d\d|[+-]\d\d)?\Z"
)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)")
_MILLISECONDS: Final = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}
_HASHED: Final = re.compile(r"(?:sha256|jti|hmac)[:-]", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.%]+)\](?::\d+)?")


def decode_object(record: bytes, brackets: int = BRACKETS) -> dict[str, Any]:
    """The JSON object that a record is; raises RecordError where it is none, or is nested too deep."""
    if len(record) > 2 * DEPTH and deep(record, brackets):
        raise RecordError(
            "too_deep",
            f"nested deeper than {DEPTH} levels, or more than {brackets} brackets",
            hint="leave the value out at the source",
        )
    try:
        tree = msgspec.json.decode(record)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise RecordError("malformed", f"not JSON ({str(error)[:200]})", hint="send one JSON object a line") from error
    if not isinstance(tree, dict):
        raise RecordError("malformed", "JSON, but not an object", hint="send one JSON object a line")
    return tree


def child(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under a key; an empty one where there is none."""
    found = tree.get(key)
    return found if isinstance(found, dict) else {}


def text(value: Any, limit: int = TEXT) -> str | None:
    """A cleaned string; numbers become text, empty strings and dashes null."""
    if value is None:
        return None
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | float) or not LEAST <= value <= MOST:
            return None
        return str(value)
    if not (len(value) <= limit and value.isascii() and value.isprintable()):
        value = clean_text(value, limit)
    value = value.strip()
    return value if value not in ("", "-") else None


def name(value: Any) -> str | None:
    """A name of somebody or something that groups events: null-likes and what was redacted are null."""
    if value is None or (found := text(value, 512)) is None:
        return None
    if found in NULL_LIKE or found.lower() in NULL_LIKE or _REDACTED.fullmatch(found):
        return None
    return found


def join(*parts: Any) -> str | None:
    """Names joined by bars, issuer before subject; the last alone where the others are null, null without it."""
    names = [name(part) for part in parts]
    if not names or names[-1] is None:
        return None
    return "|".join(part for part in names if part is not None)


def integer(value: Any) -> int | None:
    """A whole number of 64 bits, also from text or an integral float; null otherwise."""
    if value is None:
        return None
    if isinstance(value, str):
        if len(value) > 20:
            return None
        try:
            value = int(value)
        except ValueError:
            return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not LEAST <= value <= MOST:
        return None
    return value


def size(value: Any) -> int | None:
    """A number of bytes or rows: whole and not negative."""
    found = integer(value)
    return found if found is not None and found >= 0 else None


def number(value: Any) -> float | None:
    """A finite number, also from text."""
    if value is None:
        return None
    if isinstance(value, str):
        if len(value) > 40:
            return None
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def milliseconds(value: Any, unit: str = "ms") -> float | None:
    """A duration in milliseconds: a number of `unit`, or a text with units such as `1m2.5s` or `3ms`."""
    found = number(value)
    if found is not None:
        found *= _MILLISECONDS[unit]
    elif isinstance(value, str) and 0 < len(value) <= 40:
        parts = _DURATION.findall(value)
        if "".join(amount + written for amount, written in parts) != value:
            return None
        found = sum(float(amount) * _MILLISECONDS[written] for amount, written in parts)
    return round(found, 6) if found is not None and 0 <= found < 1e12 else None


def moment(value: Any, zone: float | None = None) -> float:
    """A time as seconds since the epoch: RFC 3339 and what comes close to it, or a number of any of four scales.

    `zone` is the offset in hours that times without one are in. Raises RecordError where it is no moment.
    """
    found: float | None = None
    if isinstance(value, str):
        match = _ZONED.match(value.strip()) if len(value) <= 64 else None
        if match is not None:
            return _of_parts(match, zone, value)
        found = number(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = number(value)
    if found is not None:
        try:
            return round(seconds(found), 6)
        except (ValueError, OverflowError):
            pass
    raise RecordError(
        "time",
        f"{str(value)[:60]!r} is no moment",
        field="time",
        hint="RFC 3339 with a zone, or seconds since 1970 as a number",
    )


def moment_of(found: datetime) -> float:
    """Seconds since the epoch of a time with a zone, to the microsecond; raises RecordError before 1970."""
    try:
        return round(seconds(found.astimezone(UTC)), 6)
    except (ValueError, OverflowError) as error:
        raise RecordError("time", str(error)[:200], field="time", hint="a time since 1970") from error


def _of_parts(match: "re.Match[str]", zone: float | None, value: str) -> float:
    day, clock, fraction, offset = match.groups()
    if offset is None and zone is None:
        raise RecordError(
            "time",
            f"{value[:60]!r} has no zone",
            field="time",
            hint="log in UTC with a zone, or say `zone` in the format's description",
        )
    try:
        found = datetime.fromisoformat(f"{day}T{clock}+00:00")
    except ValueError as error:
        raise RecordError("time", f"{value[:60]!r} is no moment", field="time", hint=str(error)) from error
    if offset is None or offset in ("Z", "z", "UTC"):
        shift = zone or 0.0 if offset is None else 0.0
    else:
        digits = offset[1:].replace(":", "").ljust(4, "0")
        shift = (int(digits[:2]) + int(digits[2:]) / 60) * (-1 if offset[0] == "-" else 1)
    try:
        found -= timedelta(hours=shift)
    except OverflowError as error:
        raise RecordError("time", f"{value[:60]!r} is no moment", field="time", hint="a time since 1970") from error
    if fraction:
        found = found.replace(microsecond=int(fraction[:6].ljust(6, "0")))
    return moment_of(found)


def address(value: Any) -> str | None:
    """An IP address without the port that some write behind it."""
    found = name(value)
    if found is None:
        return None
    if (match := _BRACKETED.fullmatch(found)) is not None:
        return match[1]
    host, colon, port = found.rpartition(":")
    return host if colon and port.isdecimal() and ":" not in host else found


def session_of(value: Any) -> str | None:
    """A session as it may be kept: hashed, unless the source did so already."""
    found = name(value)
    if found is None or _HASHED.match(found):
        return found
    # Session ids are long and random, so that no key is needed to keep them from being found by trying.
    return f"sha256:{sha256(found.encode()).hexdigest()[:32]}"


def texts(value: Any, split: str | None = None) -> tuple[str, ...]:
    """Names from a list, or from one text that is split at `split` (at white space by default)."""
    if isinstance(value, str):
        value = value[: 64 * TEXT].split(split)
    if not isinstance(value, list | tuple):
        return ()
    return tuple(found for item in value[:ITEMS] if (found := name(item)) is not None)


def wire_object(value: Any) -> msgspec.Raw:
    """An object as the event keeps it, its texts cleaned and bounded in number and depth."""
    return msgspec.Raw(msgspec.json.encode(_plain(value, 6)))


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if LEAST <= value <= MOST else None
    if value is None or isinstance(value, bool | float):
        return value
    if depth == 0:
        return None
    if isinstance(value, dict):
        return {clean_text(str(key), 128): _plain(item, depth - 1) for key, item in list(value.items())[:64]}
    if isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value[:64]]
    return clean_text(str(value))
