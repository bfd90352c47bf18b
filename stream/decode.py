"""From a frame to events: the one way in which every reader does it, so that all see the same."""

from collections.abc import Sequence
from typing import Final

import msgspec

from stream.clean import clean_events
from stream.errors import DamagedError
from stream.frame import Frame, Header, bit, unpack
from stream.stretch import stretch_of
from tocsin_audit.event import DECODER, AuditEvent, normalise_all

_ID_DIGITS: Final = 32


def decode(frame: Frame) -> list[AuditEvent]:
    """The events of a frame, in the order of its lines; shared by all readers of the frame, so nobody changes them.

    Frames of control records, ticks and findings have none. Raises DamagedError where the lines are not events.
    """
    # Whoever keeps frames may take `decoded` away at any moment, so it is looked at once.
    events = frame.decoded
    if events is None:
        header = frame.header
        if header.content != "events":
            return []
        lines = unpack(frame)
        try:
            events = DECODER.decode_lines(lines)
            if header.lines and len(header.lines) != len(events):
                raise ValueError(f"{len(events)} lines, and numbers of {len(header.lines)}")
            prepare(events, lines)
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
            raise DamagedError(
                f"a frame's lines are not the events that were accepted ({error})",
                where=f"source {header.source}, digest {header.digest[:_ID_DIGITS]}",
                hint="run `tocsin verify`; if the log is good, a newer Tocsin wrote it",
            ) from error
        stamp(events, header)
        identify(events, header.digest, header.lines or range(header.line, header.line + len(events)))
        frame.stretch = stretch_of(events)
        frame.decoded = events
    return events


def prepare(events: Sequence[AuditEvent], payload: bytes, lines: Sequence[bytes] | None = None) -> None:
    """Bring decoded events into their form in memory, in place: cleaned where their line asks for it, then normalised.

    `payload` is their lines joined by newlines; who has the lines themselves saves their being split again.
    Raises ValueError or OverflowError where a time is no moment, ValueError where a line is not one event.
    """
    clean_events(events, payload, lines)
    normalise_all(events)


def identify(events: Sequence[AuditEvent], digest: str, numbers: Sequence[int]) -> None:
    """Give an id, in place, to the events that have neither one nor (producer, run, seq).

    It comes from the place in the source (the digest of what was sent, and the line's number), never from the content
    alone, so that two equal attempts stay two, and the same body sent twice gives the same ids.
    """
    for index, event in enumerate(events):
        if event.id is None and (event.seq is None or event.run is None or event.producer is None):
            event.id = f"{digest[:_ID_DIGITS]}.{numbers[index]}"


def stamp(events: Sequence[AuditEvent], header: Header) -> None:
    """Give prepared events what the frame's header knows of all of them, in place; their ids are `identify`'s."""
    received = header.received
    tenant = header.tenant
    for event in events:
        event.received = received
        event.late = event.skewed = False
        if tenant is not None and event.tenant is None:
            event.tenant = tenant
    if header.late:
        for index, event in enumerate(events):
            event.late = bit(header.late, index)
    if header.skewed:
        for index, event in enumerate(events):
            if bit(header.skewed, index):
                event.skewed = True
                event.time = received
