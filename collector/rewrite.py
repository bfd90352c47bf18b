"""Rewriting a line of events: what changed is put in, what must go is left out, all else stays as it came."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

_ANY: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER: Final = msgspec.json.Encoder()


def parts(value: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, undecoded; none where it is no object."""
    try:
        return _ANY.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}


def decoded(value: msgspec.Raw) -> Any:
    """A JSON value; null where it cannot be read."""
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def raw(value: Any) -> msgspec.Raw:
    """A value as JSON."""
    return msgspec.Raw(_ENCODER.encode(value))


def rewritten(line: bytes, changes: Mapping[str, Any]) -> bytes:
    """A line with members changed; null takes one out, and of doubled ones the last stays.

    Raises msgspec.DecodeError where it is no JSON object.
    """
    members = _ANY.decode(line)
    for name, value in changes.items():
        if value is None:
            members.pop(name, None)
        else:
            members[name] = value if isinstance(value, msgspec.Raw) else raw(value)
    return _ENCODER.encode(members)
