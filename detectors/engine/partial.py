"""What partition tasks tell owners of wide entities, and what these answer: the wire of `wide` and `peers`."""

from typing import Any, Final

import msgspec

from detectors.base import Kind
from detectors.keys import Raw
from stream.control import PeerSummary
from stream.errors import DamagedError
from stream.frame import Frame, Header, pack, unpack

LAST: Final = 1 << 62
"""The ordinal of what a frame itself made: after the boundaries that were told before it."""

Layout = dict[Kind, list[tuple[str, int]]]
"""By kind, the detectors with their state versions, in the order in which indexes and bits count them."""


class Partial(msgspec.Struct, array_like=True):
    """What one frame did to one wide entity.

    `touches` are the shortest cells (their number since the epoch) with the detectors stepped in them, as bits;
    `states` the detectors' partial states by index. `tenant`, `source` and `producer` brought the entity's first event.
    """

    raw: Raw
    tenant: str | None
    source: str
    producer: str | None
    touches: list[tuple[int, int]]
    states: list[tuple[int, bytes]]


class Told(msgspec.Struct, array_like=True):
    """What a principal's closed cell adds to a group; `value` is the detector's own."""

    kind: Kind
    raw: Raw
    detector: str
    seconds: int
    start: int
    value: Any


class Part(msgspec.Struct, array_like=True):
    """What came of one frame for one owner, or of a boundary before it.

    (`offset`, `ordinal`) is its place; `clock` that of its partition in seconds. Of a boundary (`told` is a list) the
    ordinal is the boundary itself. `arrived` are tenants seen for the first time; `warmed` by peer group the members
    that came to have a past of their own; `control` are lines of facts.
    """

    offset: int
    ordinal: int
    clock: float
    imported: bool = False
    partials: dict[Kind, list[Partial]] = {}
    told: list[Told] | None = None
    arrived: list[str | None] = []
    warmed: list[tuple[int, int]] = []
    control: list[bytes] = []
    heard: list[PeerSummary] | None = None


class Batch(msgspec.Struct, array_like=True):
    """What one partition of `inputs` sends to one owner at a time: its clock, and parts in order."""

    input: int
    inputs: int
    clock: float
    layout: Layout
    parts: list[Part]


class Answer(msgspec.Struct, array_like=True):
    """What an owner says at a boundary: summaries of its groups; the first owner also what it summed.

    `since` is when tenants were first seen and `warm` how many members of a peer group have a past of their own, both
    only where it changed.
    """

    boundary: int
    summaries: list[PeerSummary]
    since: dict[str, float] = {}
    begin: float = 0.0
    warm: list[tuple[int, int]] = []


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_BATCH: Final = msgspec.msgpack.Decoder(Batch)
_ANSWER: Final = msgspec.msgpack.Decoder(Answer)


def frame_of(message: Batch | Answer, clock: float) -> Frame:
    """A message as a frame; `clock` is that of whoever sends it."""
    return pack(Header(received=clock, content="wide", count=1), _ENCODE(message))


def batch_of(frame: Frame) -> Batch:
    """The batch in a frame. Raises DamagedError."""
    try:
        return _BATCH.decode(unpack(frame))
    except msgspec.MsgspecError as error:
        raise _damaged(error) from error


def answer_of(frame: Frame) -> Answer:
    """The answer in a frame. Raises DamagedError."""
    try:
        return _ANSWER.decode(unpack(frame))
    except msgspec.MsgspecError as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> DamagedError:
    return DamagedError(
        f"what one worker told another cannot be read ({error})",
        hint="workers of very different versions do not mix: upgrade all of them",
    )
