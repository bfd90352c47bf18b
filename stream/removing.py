"""Removing from an embedded log: noted and sealed first, then carried out; the chain and all seals stay.

A job is a list of steps that a crash may end between any two: each step's note says in full what it takes away, so that
whoever starts next carries out what was noted and not done.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from sqlite3 import Connection
from typing import Final, NamedTuple

import msgspec

from stream import rewrite
from stream.crashpoints import crash_point
from stream.decode import decode
from stream.embedded.file import connect, explained
from stream.embedded.frames import Row, check, rows
from stream.embedded.removal import AT_ONCE, Change, first_and_last
from stream.encryption.crypt import Crypt
from stream.frame import HEADER_DECODER, Frame, Header, bit
from stream.index.file import Entry, FrameIndex
from stream.index.terms import terms
from stream.ledger.removals import DONE, KIND, Removal, removal
from stream.log import EVENTS, FINDINGS, Stream
from stream.narrow import narrowed
from stream.parts import parts
from stream.rewrite import Line
from stream.sqlite import SqliteLog
from stream.tombstone import Tombstone, remaining, tombstone
from tocsin_audit.event import AuditEvent

NOTED: Final = 512
"""Frames that one note names at most."""

Note = Callable[..., int]
"""Writes a note of a kind and seals it before it returns; the note's number (see `Sealer.note`)."""


class Picked(NamedTuple):
    """A frame, its lines as they still are, and which of them are to go."""

    offset: int
    header: Header
    lines: list[Line]
    removed: Collection[int]


class Job(NamedTuple):
    """What belongs together: an id, and why it is done, in the words that stand in every tombstone."""

    id: str
    why: str


class Remover:
    """Takes files, payloads and lines out of a log; what is not sealed yet is left alone.

    `limit` says up to where a stream may be changed: as far as it is sealed. Raises StorageError where a file cannot be
    read or written; what was noted by then is carried out by `resume`.
    """

    def __init__(
        self,
        log: SqliteLog,
        note: Note,
        limit: Callable[[Stream], int],
        *,
        crypt: Crypt | None = None,
        index: FrameIndex | None = None,
    ) -> None:
        self._log = log
        self._note = note
        self.limit = limit
        self._crypt = crypt
        self._index = index

    def file(self, stream: Stream, path: Path, job: Job) -> int:
        """Take away a whole file that nobody writes to; how many bytes that frees, 0 where it is not all sealed."""
        bounds = first_and_last(path)
        if path == self._log.files(stream)[-1] or bounds is None or bounds[1] > self.limit(stream):
            return 0
        begin, end, head = bounds
        self._noted("frames", stream, begin, end, job, file=path.name, head=head.hex())
        freed = self._log.remove(stream, path)
        if self._index is not None and stream == EVENTS:
            self._index.forget(begin, end)
        return freed

    def prefix(self, stream: Stream, end: int, job: Job) -> int:
        """Take away the first frames of a stream that is one file, as far as they are sealed; how many."""
        path = self._log.files(stream)[-1]
        bounds, end = first_and_last(path), min(end, self.limit(stream))
        if bounds is None or bounds[0] >= end:
            return 0
        self._noted("frames", stream, bounds[0], end, job)
        return self._log.behead(stream, path, end)

    def pick(
        self,
        stream: Stream,
        path: Path,
        decide: Callable[[Header, list[Line]], Collection[int]],
        offsets: Iterable[int] | None = None,
    ) -> Iterator[Picked]:
        """The sealed frames of a file, or those of some offsets, of which lines are to go; nothing is changed."""
        end = self.limit(stream)
        with explained(path), closing(connect(path)) as connection:
            for row in _rows(connection, offsets):
                if row.offset >= end:
                    return
                if row.payload is None or (record := check(row, None, path)) is None or not record.frame.payload:
                    continue
                header = HEADER_DECODER.decode(row.header)
                lines = self._lines(header, row)
                if removed := decide(header, lines):
                    yield Picked(row.offset, header, lines, removed)

    def lines(self, stream: Stream, path: Path, picked: Iterable[Picked], job: Job) -> int:
        """Take lines out of frames of a file; how many."""
        count = 0
        for some in parts(picked, NOTED):
            left = [(one, rewrite.without(one.lines, one.removed)) for one in some]
            stored = {one.offset: self._packed(one.header, lines) for one, lines in left}
            frames = {
                str(one.offset): ("", "") if (payload := stored[one.offset]) is None else (
                    rewrite.gone(lines).hex(), sha256(payload).hexdigest()
                )
                for one, lines in left
            }  # fmt: skip
            number = self._noted("lines", stream, some[0].offset, some[-1].offset + 1, job, frames=frames)
            changes = []
            for one, _ in left:
                gone, digest = frames[str(one.offset)]
                stone = Tombstone(why=job.why, note=number, lines=gone, digest=digest)
                changes.append(Change(one.offset, stone.text, stored[one.offset]))
            for part in parts(changes, AT_ONCE):
                self._log.change(stream, path, part)
            if self._index is not None and stream == EVENTS:
                self._reindex(left)
            count += sum(len([at for at in one.removed if one.lines[at].text is not None]) for one in some)
        return count

    def compact(self, stream: Stream, paths: Iterable[Path]) -> int:
        """Give back the room that is free inside files; how many bytes."""
        return sum(self._log.compact(stream, path) for path in paths)

    def done(self, job: Job, **body: object) -> None:
        """Note that all of a job was carried out, with what it came to."""
        crash_point("removal.before_done")
        self._note(DONE, job=job.id, why=job.why, **body)

    def resume(
        self,
        noted: Sequence[tuple[int, bytes]],
        ended: Collection[str],
        others: Callable[[Removal], object] = lambda _: None,
    ) -> list[Job]:
        """Carry out what notes say and a crash prevented; the jobs that had not ended.

        `noted` are the notes of removals with their numbers, `ended` the ids of jobs whose end was noted; `others` is
        given what is no stream of the log.
        """
        found: dict[str, Job] = {}
        for number, body in noted:
            said = removal(number, body)
            if said.job in ended:
                continue
            job = found.setdefault(said.job, Job(said.job, said.why))
            stream = Stream(said.stream, said.partition)
            if stream not in (EVENTS, FINDINGS):
                others(said)
            elif said.what == "frames" and said.file:
                self._remove_again(stream, said.file, said.begin, said.end)
            elif said.what == "frames":
                self._log.behead(stream, self._log.files(stream)[-1], said.end)
            elif said.what == "lines":
                self._take_again(stream, said.frames, job)
        return list(found.values())

    def _noted(self, what: str, stream: Stream, begin: int, end: int, job: Job, **more: object) -> int:
        crash_point("removal.before_note")
        number = self._note(
            KIND,
            what=what,
            stream=stream.name,
            partition=stream.partition,
            begin=begin,
            end=end,
            why=job.why,
            job=job.id,
            **more,
        )
        crash_point("removal.after_note")
        return number

    def _remove_again(self, stream: Stream, name: str, begin: int, end: int) -> None:
        path = self._log.files(stream)[-1].with_name(name)
        if path != self._log.files(stream)[-1]:
            self._log.remove(stream, path)
        if self._index is not None and stream == EVENTS:
            self._index.forget(begin, end)

    def _take_again(self, stream: Stream, frames: dict[str, tuple[str, str]], job: Job) -> None:
        for path in self._log.files(stream):
            bounds = first_and_last(path)
            own = [at for at in map(int, frames) if bounds is not None and bounds[0] <= at < bounds[1]]
            if not own:
                continue
            picked = []
            for one in self.pick(stream, path, lambda _, lines: range(len(lines)), sorted(own)):
                wanted = [at for at in _named(frames[str(one.offset)], one.lines) if one.lines[at].text is not None]
                if wanted:
                    picked.append(one._replace(removed=wanted))
            self.lines(stream, path, picked, job)
            if self._index is not None and stream == EVENTS:
                left = list(self.pick(stream, path, lambda _, lines: range(len(lines)), sorted(own)))
                for offset in set(own) - {one.offset for one in left}:
                    self._index.forget(offset, offset + 1)
                self._reindex([(one, one.lines) for one in left])

    def _lines(self, header: Header, row: Row) -> list[Line]:
        assert row.payload is not None
        own = header if row.gone is None else remaining(header, tombstone(row.gone).bits)
        payload = row.payload
        if header.key_id is not None and self._crypt is not None:
            payload = self._crypt.opened(own, payload)
        return rewrite.whole(header, payload) if row.gone is None else rewrite.rest(payload)

    def _packed(self, header: Header, lines: list[Line]) -> bytes | None:
        kept = [at for at, line in enumerate(lines) if line.text is not None]
        if not kept:
            return None
        payload = rewrite.packed(header, lines)
        if header.key_id is None or self._crypt is None:
            return payload
        return self._crypt.again(msgspec.structs.replace(narrowed(header, kept), codec="zstd"), payload)

    def _reindex(self, left: Iterable[tuple[Picked, list[Line]]]) -> None:
        assert self._index is not None
        entries = []
        for one, lines in left:
            events = [event for _, event in events_of(one.header, lines)]
            if events:
                entries.append(Entry(one.offset, one.header.first, one.header.last, terms(events)))
            else:
                self._index.forget(one.offset, one.offset + 1)
        self._index.replace(entries)


def events_of(header: Header, lines: Sequence[Line]) -> list[tuple[int, AuditEvent]]:
    """The events that are left of a frame, with the index of their line."""
    kept = [at for at, line in enumerate(lines) if line.text is not None]
    if header.content != "events" or not kept:
        return []
    own = msgspec.structs.replace(narrowed(header, kept), codec="none", key_id=None)
    texts = [text for line in lines if (text := line.text) is not None]
    return list(zip(kept, decode(Frame(own, b"\n".join(texts))), strict=True))


def _named(said: tuple[str, str], lines: Sequence[Line]) -> list[int]:
    """The lines that a note says are to go."""
    return [at for at in range(len(lines)) if not said[1] or bit(bytes.fromhex(said[0]), at)]


def _rows(connection: Connection, offsets: Iterable[int] | None) -> Iterator[Row]:
    """Rows in order, a few at a time: a read that went on would keep what is changed meanwhile from the file."""
    position = 0
    if offsets is not None:
        for offset in offsets:
            yield from [row for row in list(rows(connection, offset, 1)) if row.offset == offset]
        return
    while batch := list(rows(connection, position, AT_ONCE)):
        yield from batch
        position = batch[-1].offset + 1
