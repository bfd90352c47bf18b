"""How much a file of events holds: its number, and its first and last event time."""

import gzip
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import zstandard

from stream.errors import DamagedError
from tocsin.evaluation.score import Span
from tocsin_audit.event import seconds


class _Line(msgspec.Struct):
    time: Annotated[datetime, msgspec.Meta(tz=True)] | int | float


def span_of(path: Path) -> Span:
    """Count a file's events, duplicates included; raises DamagedError where it cannot be read.

    Lines that are no events are left out. Days with less than one event in 2,000 do not stretch the span: a single
    event from the wrong year says nothing about how long was watched.
    """
    decoder = msgspec.json.Decoder(_Line)
    days: dict[int, tuple[int, float, float]] = {}
    try:
        for line in lines_of(path):
            try:
                time = seconds(decoder.decode(line).time)
            except (msgspec.DecodeError, ValueError):
                continue
            day = int(time // 86_400)
            count, first, last = days.get(day, (0, time, time))
            days[day] = (count + 1, min(first, time), max(last, time))
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise DamagedError(
            f"the events cannot be read: {error}", where=str(path), hint="make the corpus anew"
        ) from error
    total = sum(count for count, _, _ in days.values())
    kept = [(first, last) for count, first, last in days.values() if count * 2000 >= total]
    if not kept:
        return Span(total, 0.0, 0.0)
    return Span(total, min(first for first, _ in kept), max(last for _, last in kept))


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a plain, gzip or zstd file."""
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            yield from stream
    elif path.suffix == ".zst":
        with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as reader:
            yield from io.BufferedReader(reader, 1 << 20)
    else:
        with path.open("rb") as plain:
            yield from plain
