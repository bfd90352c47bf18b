"""History from files: lines of a format, with receipt rebuilt from the order in which they stand."""

import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import IO, Final, NamedTuple

import zstandard

from collector.enrich import Enricher
from collector.format import UNTIMED, Format, read
from collector.format_auto import NAME as AUTO
from collector.formats.native import FORMAT as NATIVE
from collector.formats.native import parse_lines, parse_spoken, spoken
from collector.reading import ID_DIGITS, native_lines
from collector.vantage import Point
from stream.clock import merged, rebuild
from stream.errors import RejectedError
from stream.frame import Frame
from stream.receipt import receive
from tocsin.history.arrival import Order, by_time
from tocsin_audit.event import AuditEvent

BLOCK: Final = 1 << 20
"""Bytes that are read at once."""
BOM: Final = b"\xef\xbb\xbf"
"""What some programs write before a text in UTF-8, and which is no part of it."""
LINE_LIMIT: Final = 1 << 20
"""Bytes of one line of events at most."""
EXPORT_LIMIT: Final = 32 << 20
"""Bytes of one line at most where a line may be a whole export."""
EVERY: Final = 16
"""Of so many lines between the first and the last `BLOCK` of a file one is asked for its time before it is read."""
SHOWN: Final = 20
"""Bad lines that are named; the rest is counted."""

Progress = Callable[[int], None]
"""Hears how many bytes of the files were read since it was last called."""


class Bad(NamedTuple):
    """A line that could not be used."""

    file: str
    line: int
    why: str


@dataclass(slots=True)
class Reading:
    """What came of reading: lines that became events, and those that did not."""

    good: int = 0
    bad: int = 0
    shown: list[Bad] = field(default_factory=list)
    jumbled: list[str] = field(default_factory=list)
    """Files whose lines cannot have arrived in the order in which they stand: they were read in order of time."""

    def refuse(self, file: str, line: int, why: str) -> None:
        """Count a bad line; the first few are kept."""
        self.bad += 1
        if len(self.shown) < SHOWN:
            self.shown.append(Bad(file, line, why))


class Item(NamedTuple):
    """One event of a file: which file, the line's number, the event in its form in memory, and the line as it came."""

    file: int
    number: int
    event: AuditEvent
    line: bytes


def size_of(files: Iterable[Path]) -> int:
    """Bytes of the files as they stand, for a progress bar; raises RejectedError naming one that is not there."""
    total = 0
    for path in files:
        if path.is_dir():
            raise RejectedError("this is a folder", where=str(path), hint=f"name its files: {path}/*")
        if not path.is_file():
            raise RejectedError("there is no such file", where=str(path), hint="name NDJSON files, plain, .gz or .zst")
        total += path.stat().st_size
    return total


def frames(
    files: list[Path],
    form: Format,
    reading: Reading,
    *,
    imported: bool = False,
    progress: Progress | None = None,
    enrich: Enricher | None = None,
) -> Iterator[Frame]:
    """The frames that receipt would have made of the files' lines (CONTRACTS §1), merged by time.

    A file whose lines lie too far behind each other to have arrived in this order is read in order of time.
    `reading` counts good and bad lines as they come; `enrich` does with them what receipt would.
    A frame holds lines of one file. Raises RejectedError where a
    file cannot be read.
    """
    digests = [sha256(path.name.encode()).hexdigest() for path in files]
    jumbled = [_jumbled(path, form) for path in files]
    reading.jumbled = [path.name for path, one in zip(files, jumbled, strict=True) if one]
    histories = [
        _timed(_items(index, path, form, reading, progress, enrich), index if jumbled[index] else None)
        for index, path in enumerate(files)
    ]
    source = merged(*histories) if len(histories) > 1 else histories[0]
    for received, items in rebuild(source):
        for index, group in groupby(items, key=lambda item: item.file):
            part = list(group)
            yield receive(
                [item.event for item in part],
                b"\n".join(item.line for item in part),
                received,
                source=f"{'import' if imported else 'backtest'}:{files[index].name}",
                digest=digests[index],
                numbers=[item.number for item in part],
                imported=imported,
                compressed=imported,
            )


def _timed(items: Iterator[Item], jumbled: int | None) -> Iterator[tuple[float, Item]]:
    """Each line with its time; in order of time where they are those of a jumbled file, of this index."""
    if jumbled is None:
        yield from ((item.event.time, item) for item in items)
        return
    for time, number, line in by_time((item.event.time, item.number, item.line) for item in items):
        yield time, Item(jumbled, number, NATIVE.parse(line)[0], line)


def _jumbled(path: Path, form: Format) -> bool:
    """Whether the lines of a file stand in no order of arrival; between its first and its last a sample is asked."""
    order = Order()
    blocks = _blocks(path, Reading(), None, LINE_LIMIT if form is NATIVE else EXPORT_LIMIT)
    every = 1
    block = next(blocks, None)
    while block is not None:
        following = next(blocks, None)
        for time in _times(block[1][:: every if following is not None else 1], form):
            order.see(time)
        block, every = following, EVERY
    return order.jumbled()


def _times(lines: list[bytes], form: Format) -> list[float]:
    """The times that some lines tell."""
    lines = [line for line in lines if line.strip()]
    events = parse_lines(b"\n".join(lines), lines) if form.name in ("native", AUTO) else None
    if events is None:
        lines = spoken(lines)
        events = [event for line in lines for event in read(form, line).events]
    return [event.time for event in events if event.time != UNTIMED]


def _items(
    index: int, path: Path, form: Format, reading: Reading, progress: Progress | None, enrich: Enricher | None
) -> Iterator[Item]:
    native = form.name in ("native", AUTO)
    place = sha256(path.name.encode()).hexdigest()[:ID_DIGITS]
    clock: float | None = None
    for number, block in _blocks(path, reading, progress, LINE_LIMIT if form is NATIVE else EXPORT_LIMIT):
        lines: Sequence[bytes] = block
        events = None
        if native:
            events, lines, _ = parse_spoken(b"\n".join(block), block)
        if events is not None:
            if enrich is not None and (new := enrich(events, lines, Point(NATIVE.name, path.name))) is not None:
                events, lines = new
            clock = events[-1].time if events else clock
            reading.good += len(events)
            yield from map(
                Item._make, zip([index] * len(events), range(number, number + len(events)), events, lines, strict=True)
            )
            continue
        for offset, line in enumerate(lines):
            if not line.strip():
                continue
            made = read(form, line)
            if made.error is not None:
                reading.refuse(path.name, number + offset, made.error.what)
            kept = line if native and NATIVE.fits(line) and read(NATIVE, line).events == made.events else None
            for ordinal, event in enumerate(made.events):
                if event.time == UNTIMED and clock is None:
                    reading.refuse(path.name, number + offset, "it tells no time, and nothing before it did")
                    continue
                # Where a record tells no time, it is that of the one before it.
                at = f"{place}.{number + offset}.{ordinal}" if ordinal else f"{place}.{number + offset}"
                wire = kept or native_lines([event], at, clock or UNTIMED)[0]
                clock = event.time
                reading.good += 1
                new = enrich([event], [wire], Point(form.name, path.name)) if enrich is not None else None
                yield Item(index, number + offset, *((event, wire) if new is None else (new.events[0], new.lines[0])))


def _blocks(path: Path, reading: Reading, progress: Progress | None, limit: int) -> Iterator[tuple[int, list[bytes]]]:
    number = 1
    rest, overlong = b"", False
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
            source = _decompressed(raw, path, stack)
            told = 0
            if (start := source.read(len(BOM))) != BOM:
                rest = start
            while block := source.read(BLOCK):
                if progress is not None:
                    progress(raw.tell() - told)
                    told = raw.tell()
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                if overlong and lines:
                    # The end of a line that was refused when it grew too long.
                    lines = lines[1:]
                    number += 1
                    overlong = False
                if overlong:
                    rest = b""
                elif len(rest) > limit:
                    reading.refuse(path.name, number + len(lines), "longer than a line may be")
                    rest, overlong = b"", True
                if lines:
                    yield number, lines
                    number += len(lines)
        except (OSError, EOFError, zstandard.ZstdError) as error:
            raise _unreadable(path, error) from error
    if rest.strip() and not overlong:
        yield number, [rest]


@contextmanager
def open_file(path: Path) -> Iterator[IO[bytes]]:
    """A file for reading, what it holds decompressed; raises RejectedError where it cannot be read."""
    with ExitStack() as stack:
        try:
            yield _decompressed(stack.enter_context(path.open("rb")), path, stack)
        except (OSError, EOFError, zstandard.ZstdError) as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> RejectedError:
    hint = "is it whole, and named .gz or .zst if compressed?"
    return RejectedError(f"cannot be read ({error})", where=str(path), hint=hint)


def _decompressed(raw: IO[bytes], path: Path, stack: ExitStack) -> IO[bytes]:
    if path.suffix == ".gz":
        return stack.enter_context(io.BufferedReader(gzip.GzipFile(fileobj=raw), BLOCK))
    if path.suffix == ".zst":
        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        return stack.enter_context(io.BufferedReader(reader, BLOCK))
    return raw
