"""From a frame to events: the one way in which every reader does it, so that all see the same."""

from collections.abc import Sequence
from typing import Final

import msgspec

from stream.clean import clean_events
from stream.errors import DamagedError
from stream.frame import Frame, Header, bit, unpack
from tocsin_audit.event import DECODER, AuditEvent, normalise

_ID_DIGITS: Final = 32


def decode(frame: Frame) -> list[AuditEvent]:
    """The events of a frame, in the order of its lines; shared by all readers of the frame, so nobody changes them.

    Frames of control records, ticks and findings have none. Raises DamagedError where the lines are not events.
    """
    if frame.decoded is None:
        header = frame.header
        if header.content != "events":
            return []
        lines = unpack(frame)
        try:
            events = DECODER.decode_lines(lines)
            prepare(events, lines)
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
            raise DamagedError(
                f"a frame's lines are not the events that were accepted ({error})",
                where=f"source {header.source}, digest {header.digest[:_ID_DIGITS]}",
                hint="run `tocsin verify`; if the log is good, a newer Tocsin wrote it",
            ) from error
        stamp(events, header)
        frame.decoded = events
    return frame.decoded


def prepare(events: Sequence[AuditEvent], lines: bytes) -> None:
    """Bring decoded events into their form in memory, in place: cleaned where their line asks for it, then normalised.

    Raises ValueError or OverflowError where a time is no moment, ValueError where a line is not one event.
    """
    clean_events(events, lines)
    for event in events:
        normalise(event)


def stamp(events: Sequence[AuditEvent], header: Header) -> None:
    """Give prepared events what the frame's header knows of them, in place.

    An event with neither an id nor (producer, run, seq) gets one from its place in its source: the digest of what was
    sent and its line, never its content, so that two equal attempts stay two.
    """
    received = header.received
    tenant = header.tenant
    for index, event in enumerate(events):
        event.received = received
        event.late = event.skewed = False
        if tenant is not None and event.tenant is None:
            event.tenant = tenant
        if event.id is None and (event.seq is None or event.run is None or event.producer is None):
            number = header.lines[index] if header.lines else header.line + index
            event.id = f"{header.digest[:_ID_DIGITS]}.{number}"
    if header.late:
        for index, event in enumerate(events):
            event.late = bit(header.late, index)
    if header.skewed:
        for index, event in enumerate(events):
            if bit(header.skewed, index):
                event.skewed = True
                event.time = received
