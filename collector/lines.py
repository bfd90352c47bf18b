"""From a body to its lines: NDJSON, a JSON array, or one JSON object."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from collector.encoding import TooLargeError
from stream.errors import UNREADABLE, RejectedError

NDJSON: Final = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-lines",
    }
)
JSON: Final = "application/json"
EITHER: Final = frozenset({"", "text/plain", "application/octet-stream"})
TYPES: Final = NDJSON | {JSON} | EITHER
"""What a `Content-Type` may say; where it says nothing of use, the body does."""

_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n"
_COMMAS: Final = 50
"""Commas to an element at most; there are more than elements, and counting them costs no memory."""
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Lines(NamedTuple):
    """Lines that are not blank, each with its number in the body, the first being 1.

    `joined` is all of them joined by newlines where the body happens to be just that.
    """

    lines: Sequence[bytes]
    numbers: Sequence[int]
    joined: bytes | None = None


def split(body: bytes, content_type: str, most: int) -> Lines:
    """The lines of a body, at most `most`; elements of a JSON array count as lines.

    Raises TooLargeError where there are more, RejectedError where it is to be one JSON value and is not.
    """
    if body.startswith(_BOM):
        body = body[len(_BOM) :]
    first = body[:64].lstrip(_SPACE)[:1] or body.lstrip(_SPACE)[:1]
    if first == b"[" and content_type not in NDJSON:
        return _array(body, most)
    if first == b"{" and content_type == JSON and b"\n" in body.rstrip(_SPACE):
        try:
            return Lines([_one_line(msgspec.json.decode(body, type=msgspec.Raw))], range(1, 2))
        except UNREADABLE:
            # Several objects under the name of one: what shippers send as NDJSON all the same.
            pass
    body = body.rstrip(_SPACE)
    lines = body.split(b"\n", most)
    if len(lines) > most:
        raise _too_many(most)
    if b"\r" in body or b"" in lines:
        kept = [(number, line.strip(_SPACE)) for number, line in enumerate(lines, 1)]
        return Lines([line for _, line in kept if line], [number for number, line in kept if line])
    return Lines(lines, range(1, len(lines) + 1), body)


def _array(body: bytes, most: int) -> Lines:
    if body.count(b",") > most * _COMMAS:
        raise _too_many(most)
    try:
        items = _ARRAY.decode(body)
    except UNREADABLE as error:
        raise RejectedError(
            f"the body begins like a JSON array but is none ({error})",
            hint="send a JSON array, or one JSON object a line",
        ) from error
    if len(items) > most:
        raise _too_many(most)
    return Lines([_one_line(item) for item in items], range(1, len(items) + 1))


def _one_line(raw: msgspec.Raw) -> bytes:
    value = bytes(raw).strip(_SPACE)
    return msgspec.json.format(value, indent=-1) if b"\n" in value or b"\r" in value else value


def _too_many(most: int) -> TooLargeError:
    return TooLargeError(f"more than {most} lines", hint="send fewer events at a time")
