"""Cutting what was read of a file into records; what is no whole line yet is left for later."""

from typing import NamedTuple

from collector.reading import Record
from collector.tailing.position import Position
from collector.tailing.unwrap import Container, Piece, unwrap

WRAPPING = 1024
"""Bytes that a container runtime may add to a line."""
STREAMS = 8
"""Streams of one container whose parts are kept."""


class Cut(NamedTuple):
    """The records of a stretch of a file, each numbered by the offset at which it ends; how many were too long."""

    records: list[Record]
    too_long: int


def cut(position: Position, data: bytes, *, longest: int, container: Container, last: bool) -> Cut:
    """Cut what stands at a position, which moves on; `last` says that nothing will be added to it.

    A line beyond `longest` bytes is passed over up to its end.
    """
    records: list[Record] = []
    too_long = at = 0

    def take(line: bytes, end: int) -> int:
        piece = unwrap(line, container) if container != "none" else None
        if piece is None:
            if len(line) > longest:
                return 1
            if not line.isspace() and line:
                records.append(Record(line.rstrip(b"\r"), end))
            return 0
        return _joined(position, piece, longest, end, records)

    while (end := data.find(b"\n", at)) >= 0:
        line, at = data[at:end], end + 1
        if position.skipping:
            position.skipping = False
        else:
            too_long += take(line, position.offset + at)
    rest = len(data) - at
    if position.skipping:
        at = len(data)
    elif rest > longest + WRAPPING:
        too_long += 1
        position.skipping, at = True, len(data)
    elif rest and last:
        too_long += take(data[at:], position.offset + len(data))
        at = len(data)
    position.offset += at
    return Cut(records, too_long)


def _joined(position: Position, piece: Piece, longest: int, end: int, records: list[Record]) -> int:
    """Add a piece to what its stream has begun; 1 where the record that it ends is too long."""
    pieces = position.pieces
    stream = piece.stream if piece.stream in pieces or len(pieces) < STREAMS else next(iter(pieces))
    # One byte more than may be is enough to know that it is too long.
    text = (pieces.pop(stream, b"") + piece.text)[: longest + 1]
    if not piece.ends:
        pieces[stream] = text
        return 0
    if len(text) > longest:
        return 1
    if text and not text.isspace():
        records.append(Record(text, end, piece.time))
    return 0
