"""The frames that a proof is made of: in a data directory's files, or in the topics of Kafka."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from stream.broker.rest import header_of, lines_of, rewritten
from stream.embedded.file import explained
from stream.errors import DamagedError
from stream.frame import HEADER_DECODER, HEADER_ENCODER, Header, Keys
from stream.kafka import KafkaLog
from stream.ledger.proof import Wanted
from stream.ledger.reading import open_read_only
from stream.log import EVENTS, FINDINGS, Stream
from stream.rewrite import Line, rest, whole
from stream.sqlite import DAY_PATTERN, EVENTS_FOLDER, FINDINGS_FILE
from stream.tombstone import remaining, tombstone


class Kept(NamedTuple):
    """A frame as it is stored, and its lines: none where it cannot be read. `digest` is set where it lost lines."""

    stream: Stream
    offset: int
    header: bytes
    decoded: Header
    payload: bytes
    lines: list[Line]
    digest: bytes | None
    keys: Keys | None

    def wanted(self, lines: tuple[int, ...] | None) -> Wanted:
        """What a proof is to show of it."""
        place = (*self.stream, self.offset)
        return Wanted(*place, self.header, self.payload, lines, keys=self.keys, digest=self.digest)


class Frames(Protocol):
    """Where frames are kept."""

    def events(self) -> Iterator[Kept]:
        """The frames of the events, each partition in order."""
        ...

    def findings(self) -> Iterator[Kept]:
        """The frames of the findings, in order."""
        ...


class Files:
    """Those of a data directory or a copy of one; `keys` undo their encryption."""

    def __init__(self, folder: Path, keys: Keys | None = None) -> None:
        self._folder = folder
        self._keys = keys

    def events(self) -> Iterator[Kept]:
        """See `Frames.events`."""
        for path in sorted((self._folder / EVENTS_FOLDER).glob(DAY_PATTERN)):
            yield from self._in(path, EVENTS)

    def findings(self) -> Iterator[Kept]:
        """See `Frames.findings`."""
        yield from self._in(self._folder / FINDINGS_FILE, FINDINGS)

    def _in(self, path: Path, stream: Stream) -> Iterator[Kept]:
        keys = self._keys
        with explained(path), closing(open_read_only(path)) as connection:
            for offset, header, digest, gone, payload in connection.execute(
                'SELECT "offset", header, digest, gone, payload FROM frames WHERE payload IS NOT NULL ORDER BY "offset"'
            ):
                decoded = HEADER_DECODER.decode(header)
                lines: list[Line] = []
                with suppress(DamagedError):
                    own = decoded if gone is None else remaining(decoded, tombstone(gone).bits)
                    opened = payload if own.key_id is None or keys is None else keys.opened(own, payload)
                    lines = whole(decoded, opened) if gone is None else rest(opened)
                    payload = payload if gone is None else opened
                yield Kept(stream, offset, header, decoded, payload, lines, None if gone is None else digest, keys)


class Topics:
    """Those of a log on Kafka, as far as it keeps them; the log itself undoes their encryption."""

    def __init__(self, log: KafkaLog) -> None:
        self._log = log

    def events(self) -> Iterator[Kept]:
        """See `Frames.events`."""
        for number in range(self._log.partitions):
            yield from self._in(Stream(EVENTS.name, number))

    def findings(self) -> Iterator[Kept]:
        """See `Frames.findings`."""
        yield from self._in(FINDINGS)

    def _in(self, stream: Stream) -> Iterator[Kept]:
        position, end = self._log.begin(stream), self._log.end(stream)
        while position < end and (records := self._log.read(stream, position)):
            for offset, frame in records:
                lines: list[Line] = []
                with suppress(DamagedError):
                    lines = lines_of(frame)
                was = frame.header.was
                if was is None:
                    header = HEADER_ENCODER.encode(frame.header)
                    yield Kept(stream, offset, header, frame.header, frame.payload, lines, None, frame.keys)
                elif lines:
                    header_, rest_ = header_of(was), rewritten(frame)
                    yield Kept(stream, was.offset, was.header, header_, rest_, lines, was.digest, frame.keys)
            position = records[-1].offset + 1
