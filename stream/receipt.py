"""Receipt: prepared events and their lines become the frame that says when and from whom they came."""

from collections.abc import Sequence
from typing import Final

from stream.clock import judge
from stream.decode import identify, stamp
from stream.frame import LIMIT, Frame, Header, pack
from stream.stretch import Stretch
from tocsin_audit.event import AuditEvent

KEPT: Final = 1024 * 1024
"""Bytes of lines up to which a frame keeps them for whoever reads them soon."""


def receive(
    events: list[AuditEvent],
    lines: bytes,
    received: float,
    *,
    source: str,
    digest: str,
    line: int = 1,
    numbers: Sequence[int] | None = None,
    tenant: str | None = None,
    imported: bool = False,
    compressed: bool = True,
    each: Sequence[bytes] | None = None,
    stretch: Stretch | None = None,
    named: bool = False,
) -> Frame:
    """A frame of prepared events (see `stream.decode.prepare`) and their newline-joined lines, already decoded.

    `received` is in seconds since the epoch; `line` is the number of the first line in the source, `numbers` those of
    all where they do not just follow. `each` is every line where that is at hand, `stretch` what `stretch_of` says of
    the events where that is known; `named` says that all have an id, or producer, run and number. The events are
    stamped in place. Raises ValueError beyond 500 lines.
    """
    if len(events) > LIMIT:
        raise ValueError(f"a frame has at most {LIMIT} lines, not {len(events)}")
    follows = numbers is None or list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))
    verdict = judge([event.time for event in events], received)
    header = Header(
        received=received,
        count=len(events),
        first=verdict.first,
        last=verdict.last,
        late=verdict.late,
        skewed=verdict.skewed,
        source=source,
        digest=digest,
        line=line if numbers is None else numbers[0],
        lines=() if follows or numbers is None else tuple(numbers),
        tenant=tenant,
        imported=imported,
        codec="zstd" if compressed else "none",
    )
    frame = pack(header, lines)
    stamp(events, header)
    if not named:
        identify(events, digest, header.lines or range(header.line, header.line + len(events)))
    frame.stretch = stretch
    frame.decoded = events
    if len(lines) <= KEPT:
        frame.lines = each
    return frame
