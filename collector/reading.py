"""Reading: records of any format become lines of the native one, and those go through the one admission."""

import logging
from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

import msgspec

from collector.admit import CHUNK, Admitted, admit
from collector.enrich import Enricher
from collector.format import UNTIMED, Format, Made, RecordError
from collector.format import read as read_record
from collector.formats.native import FORMAT as NATIVE
from collector.keys import Key
from tocsin_audit.event import AuditEvent

logger = logging.getLogger("tocsin.collector")

ID_DIGITS: Final = 32

# Times stay numbers: writing them for people would cost as much as all the rest.
_ENCODER: Final = msgspec.json.Encoder()


class Record(NamedTuple):
    """One record as a source has it: its bytes, its number there, and when its envelope says that it was written."""

    data: bytes
    number: int
    time: float | None = None


class Reader(NamedTuple):
    """How the records of a source are read: in which format, for whom, and how many bytes a native line may have.

    `whole` is how many a record may have where that is more, since it holds many events. `source` names the format
    where `form` reads what was made of it.
    """

    form: Format
    key: Key
    longest: int
    whole: int = 0
    enrich: Enricher | None = None
    source: str = ""

    def read(self, into: Admitted, records: Sequence[Record], place: str, now: float) -> None:
        """Judge records; `place` names their source in the ids of events that have none.

        Events whose time neither they nor their envelope tell happened at `now`, in seconds since the epoch.
        """
        if self.form is NATIVE:
            self._admit(into, [record.data for record in records], [record.number for record in records])
            return
        lines: list[bytes] = []
        numbers: list[int] = []
        for record in records:
            made = self._made(record.data)
            if made.error is not None:
                into.refuse(record.number, made.error)
            moment = now if record.time is None else record.time
            new = native_lines(made.events, f"{place[:ID_DIGITS]}.{record.number}", moment)
            lines += new
            numbers += [record.number] * len(new)
        self._admit(into, lines, numbers)

    def take(
        self, into: Admitted, events: Sequence[AuditEvent], numbers: Sequence[int], place: str, now: float
    ) -> None:
        """Judge events that were made of a whole body at once, each with the number of the record that it came from."""
        lines: list[bytes] = []
        for number, group in groupby(range(len(events)), numbers.__getitem__):
            same = [events[index] for index in group]
            lines += native_lines(same, f"{place[:ID_DIGITS]}.{number}", now)
        self._admit(into, lines, numbers)

    def _admit(self, into: Admitted, lines: Sequence[bytes], numbers: Sequence[int]) -> None:
        for at in range(0, len(lines), CHUNK):
            part = slice(at, at + CHUNK)
            admit(
                into,
                lines[part],
                numbers[part],
                self.key,
                self.longest,
                enrich=self.enrich,
                form=self.source or self.form.name,
            )

    def _made(self, record: bytes) -> Made:
        most = max(self.longest, self.whole)
        if len(record) > most:
            hint = "leave out what is large; bodies do not belong here"
            return Made((), RecordError("too_long", f"longer than {most} bytes", hint=hint))
        try:
            return read_record(self.form, record)
        except Exception as error:  # a format's fault with one record must not end the collector
            logger.exception("the format %s failed with a record", self.form.name)
            what = f"the format {self.form.name} failed with it ({type(error).__name__})"
            return Made((), RecordError("malformed", what, hint="report the record and the version of Tocsin"))


def native_lines(events: Sequence[AuditEvent], place: str, now: float) -> list[bytes]:
    """The events of one record as lines; those without an id get it from their place in the source."""
    lines = []
    for index, event in enumerate(events):
        if event.id is None and (event.seq is None or event.run is None or event.producer is None):
            event.id = f"{place}.{index}" if index else place
        if event.time == UNTIMED:
            event.time = now
        line = _ENCODER.encode(event)
        # What a format hands on as it came may hold line ends between its tokens.
        lines.append(msgspec.json.format(line, indent=-1) if b"\n" in line or b"\r" in line else line)
    return lines
