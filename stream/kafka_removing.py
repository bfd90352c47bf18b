"""Removing lines from a log on Kafka: what is left of a frame takes its place, and brokers take the whole one away.

As in an embedded log each step is noted and sealed before it is done, so that whoever starts next carries out what was
noted and not done.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from typing import Final, NamedTuple

from kafka import TopicPartition

from stream import rewrite
from stream.broker import client as kafka_client
from stream.broker.compact import take_away
from stream.broker.record import believed, decode, fresh_key
from stream.broker.rest import first_of, header_of, lines_of, rest_of
from stream.clock import AHEAD
from stream.crashpoints import crash_point
from stream.errors import DamagedError, RejectedError, StorageError
from stream.frame import Frame, Header, Record, Was, bit
from stream.kafka import KafkaLog
from stream.ledger.removals import DONE, KIND, Removal, removal
from stream.log import EVENTS, FINDINGS, Stream
from stream.parts import parts
from stream.removing import NOTED, Job, Note
from stream.rewrite import Line

PATIENCE: Final = 60.0
"""Seconds within which what is left of a frame must be durable."""
_READ_MS: Final = 10_000


class Standing(NamedTuple):
    """A record of the log as it stands there: its key, and no frame where nothing is left of the one before it."""

    offset: int
    key: bytes | None
    frame: Frame | None


class Picked(NamedTuple):
    """A frame, or what is left of one, its lines as they still are, and which of them are to go."""

    standing: Standing
    was: Was
    lines: list[Line]
    removed: Collection[int]


class KafkaRemover:
    """Takes lines out of a log on Kafka; what is not sealed yet, or was received lately, is left alone.

    `limit` says up to where a partition may be changed, `settled` before which moment of receipt. Raises StorageError
    where Kafka does not do it; what was noted by then is carried out by `resume`.
    """

    def __init__(self, log: KafkaLog, note: Note, limit: Callable[[Stream], int], settled: Callable[[], float]) -> None:
        self._log = log
        self._note = note
        self._limit = limit
        self._settled = settled
        self._replaced: dict[Stream, set[int]] = {}

    def pick(
        self, stream: Stream, decide: Callable[[Header, list[Line]], Collection[int]], *, late: bool = False
    ) -> Iterator[Picked]:
        """The frames of a partition of which lines are to go; with `late` those that cannot be changed yet, instead.

        Nothing is changed. Raises RejectedError where a record has no key of its own: compaction would take it away.
        """
        end, settled, late_by_now = self._limit(stream), self._settled(), False
        for one in self._standing(stream, self._log.begin(stream)):
            frame = one.frame
            if frame is None or not frame.payload:
                continue
            if one.key is None:
                raise RejectedError(
                    f"the record {one.offset} of {self._log.topic(stream)} is from before records had keys",
                    where=self._log.address.where,
                    hint="single records can be taken away once the topic's retention has taken those without",
                )
            late_by_now = late_by_now or one.offset >= end or frame.header.received >= settled
            if late_by_now is not late:
                continue
            was, lines = first_of(Record(one.offset, frame)), lines_of(frame)
            header = header_of(was) if frame.header.was is not None else frame.header
            if removed := decide(header, lines):
                yield Picked(one, was, lines, removed)

    def lines(self, stream: Stream, picked: Iterable[Picked], job: Job) -> int:
        """Have what is left of frames take their places; how many lines went."""
        count = 0
        for some in parts(picked, NOTED):
            left = [self._left(one) for one in some]
            frames: dict[str, tuple[str, str]] = {}
            for one, rest in zip(some, left, strict=True):
                # A rest whose place is taken goes, too; the entry of the frame that it was of says what is left now.
                frames[str(one.standing.offset)] = ("", "")
                if rest is not None:
                    gone = rest.header.was.gone if rest.header.was is not None else b""
                    frames[str(one.was.offset)] = gone.hex(), sha256(rest.payload).hexdigest()
                else:
                    frames[str(one.was.offset)] = ("", "")
            offsets = [one.standing.offset for one in some]
            crash_point("removal.before_note")
            self._note(
                KIND,
                what="frames",
                stream=stream.name,
                partition=stream.partition,
                begin=min(map(int, frames)),
                end=max(offsets) + 1,
                why=job.why,
                job=job.id,
                frames=frames,
            )
            crash_point("removal.after_note")
            written = [
                self._log.put(stream, rest, one.standing.key or b"") for one, rest in zip(some, left, strict=True)
            ]
            for future in written:
                future.result(PATIENCE)
            crash_point("removal.after_change")
            self._replaced.setdefault(stream, set()).update(offsets)
            count += sum(len([at for at in one.removed if one.lines[at].text is not None]) for one in some)
        return count

    def compact(self) -> Iterator[int]:
        """Have the brokers take away what was replaced; how many records they still have, until there are none."""
        streams = {TopicPartition(self._log.topic(one), one.partition): one for one in self._replaced}

        def nudge(topic: str, partition: int) -> None:
            self._log.put(streams[TopicPartition(topic, partition)], None, fresh_key()).result(PATIENCE)

        yield from take_away(
            self._log.address, {place: self._replaced[stream] for place, stream in streams.items()}, nudge
        )
        self._replaced = {}

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
        """Carry out what notes say and a crash prevented, up to `compact`; see `Remover.resume`."""
        found: dict[str, Job] = {}
        wanted: dict[Stream, dict[int, str]] = {}
        for number, body in noted:
            said = removal(number, body)
            if said.job in ended:
                continue
            found.setdefault(said.job, Job(said.job, said.why))
            stream = Stream(said.stream, said.partition)
            if stream.name not in (EVENTS.name, FINDINGS.name):
                others(said)
                continue
            for offset, (lines, digest) in said.frames.items():
                wanted.setdefault(stream, {})[int(offset)] = lines if digest else ""
        for stream, lines_ in wanted.items():
            self.lines(stream, self._undone(stream, lines_), next(iter(found.values())))
        return list(found.values())

    def _undone(self, stream: Stream, wanted: dict[int, str]) -> list[Picked]:
        """The frames whose place nothing has taken yet; those whose place was taken wait for compaction again.

        `wanted` has for each offset the bitmap of the lines that are to go, in hex; an empty one where all go.
        """
        last: dict[bytes, Standing] = {}
        for one in self._standing(stream, max(min(wanted), self._log.begin(stream))):
            was = one.frame.header.was if one.frame is not None else None
            concerned = one.offset in wanted or (was is not None and was.offset in wanted)
            if one.key is not None and (concerned or one.key in last):
                if (before := last.get(one.key)) is not None:
                    self._replaced.setdefault(stream, set()).add(before.offset)
                last[one.key] = one
        picked = []
        for one in last.values():
            if one.frame is None:
                continue
            was, lines = first_of(Record(one.offset, one.frame)), lines_of(one.frame)
            named = bytes.fromhex(wanted.get(was.offset, ""))
            removed = [at for at, line in enumerate(lines) if line.text is not None and (not named or bit(named, at))]
            if was.offset in wanted and removed:
                picked.append(Picked(one, was, lines, removed))
        return picked

    def _left(self, one: Picked) -> Frame | None:
        lines = rewrite.without(one.lines, one.removed)
        assert one.standing.frame is not None
        if all(line.text is None for line in lines):
            return None
        return self._log.prepared(rest_of(one.was, one.standing.frame.header.received, lines))

    def _standing(self, stream: Stream, begin: int) -> Iterator[Standing]:
        """The records of a partition from an offset on, as far as they are frames."""
        place = TopicPartition(self._log.topic(stream), stream.partition)
        end = self._log.end(stream)
        with (
            kafka_client.guarded(self._log.address),
            closing(kafka_client.consumer(self._log.address)) as consumer,
        ):
            consumer.assign([place])
            consumer.seek(place, begin)
            while consumer.position(place, timeout_ms=_READ_MS) < end:
                messages = consumer.poll(timeout_ms=_READ_MS).get(place)
                if not messages:
                    raise StorageError(
                        f"Kafka did not give what it has of {place.topic}/{place.partition}",
                        where=self._log.address.where,
                        hint="look at the brokers, and ask again",
                    )
                for message in messages:
                    if message.value is None:
                        yield Standing(message.offset, message.key, None)
                        continue
                    try:
                        frame = believed(decode(message.value, self._log.crypt), message.timestamp / 1000, AHEAD)
                    except DamagedError:
                        continue  # it lies among the dead letters
                    yield Standing(message.offset, message.key, frame)
