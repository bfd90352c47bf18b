"""The events of a frame, with what its header says of them."""

from stream.frame import Frame, bit, unpack
from tocsin_audit.event import DECODER, AuditEvent, normalise


def decode(frame: Frame) -> list[AuditEvent]:
    """The events of a frame in the order of its lines."""
    header = frame.header
    events = DECODER.decode_lines(unpack(frame))
    for index, event in enumerate(events):
        normalise(event)
        event.received = header.received
        event.late = bit(header.late, index)
        event.skewed = bit(header.skewed, index)
        if event.skewed:
            event.time = header.received
        if event.tenant is None:
            event.tenant = header.tenant
    return events
