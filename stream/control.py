"""Control records: facts that enter through the same door as the events, so that a replay sees what was known then."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from stream.coverage import Covered, Watched
from stream.directory import Directory
from stream.errors import DamagedError
from stream.frame import Frame, Header, pack, unpack


class DirectoryVersion(msgspec.Struct, frozen=True, tag="directory", tag_field="control"):
    """A new version of the directory, with the digest of the file it came from."""

    directory: Directory
    digest: str


class Parameters(msgspec.Struct, frozen=True, tag="parameters", tag_field="control"):
    """The detectors' parameters from here on, by detector name."""

    detectors: dict[str, dict[str, Any]]


class Warmth(msgspec.Struct, frozen=True, tag="warmth", tag_field="control"):
    """The mode that the operator gave a detector or a tenant, whatever its warm-up says.

    `auto` takes such a word back, and all of them where neither is named.
    """

    mode: str
    detector: str | None = None
    tenant: str | None = None


class Shed(msgspec.Struct, frozen=True, tag="shed", tag_field="control"):
    """The detectors that are shown no event from here on, since too much waits to be looked at; none: it is over."""

    detectors: tuple[str, ...]


class IncidentChange(msgspec.Struct, frozen=True, tag="incident", tag_field="control", omit_defaults=True):
    """An operator's act on an incident: acknowledged, resolved or closed with a verdict; `at` in seconds.

    `cause` is the root cause, asked for where the verdict is that it was true, and `to` who takes it over.
    """

    incident: str
    act: str
    by: str
    at: float
    verdict: str | None = None
    note: str | None = None
    cause: str | None = None
    to: str | None = None


class Muted(msgspec.Struct, frozen=True, tag="mute", tag_field="control", omit_defaults=True):
    """A silence or an exception that an operator made: its conditions as text, and when it holds, in seconds."""

    id: str
    kind: Literal["silence", "exception"]
    where: tuple[str, ...]
    start: float
    until: float
    owner: str
    reason: str
    by: str
    at: float
    forced: bool = False


class Unmuted(msgspec.Struct, frozen=True, tag="unmute", tag_field="control", omit_defaults=True):
    """The end of a silence or an exception before its time."""

    id: str
    by: str
    at: float


class Linked(msgspec.Struct, frozen=True, tag="link", tag_field="control", omit_defaults=True):
    """An operator ties two incidents together, or takes a link away (`cut`) for good."""

    one: str
    other: str
    by: str
    at: float
    why: str = ""
    cut: bool = False


class Denied(msgspec.Struct, frozen=True, tag="denial", tag_field="control", omit_defaults=True):
    """A subject that the listener tells middleware and proxies to refuse until a moment; `until` 0 lifts it."""

    id: str
    subject: dict[str, str]
    until: float
    incident: str
    mode: str = "deny"


class Deny(msgspec.Struct, frozen=True, tag="deny", tag_field="control", omit_defaults=True):
    """Somebody wants a subject refused from `at` until a moment, for an incident; times in seconds.

    `identity` says how the events name the subject's principal: `verified`, `claimed`, or empty where nobody knows.
    `automatic` is the class of finding for which that was approved beforehand.
    """

    id: str
    subject: tuple[tuple[str, str], ...]
    until: float
    incident: str
    by: str
    at: float
    why: str = ""
    identity: str = ""
    forced: bool = False
    automatic: str = ""


class Lift(msgspec.Struct, frozen=True, tag="lift", tag_field="control", omit_defaults=True):
    """The end of a denial before its time."""

    id: str
    by: str
    at: float
    why: str = ""


class Obeyed(msgspec.Struct, frozen=True, tag="obeyed", tag_field="control", omit_defaults=True):
    """Which producers are expected to obey a denial (`confirmed` false), or said in a heartbeat that they do."""

    denial: str
    producers: tuple[str, ...]
    confirmed: bool
    at: float
    by: str = "listener"


class Stepped(msgspec.Struct, frozen=True, tag="step", tag_field="control", omit_defaults=True):
    """What became of a step of an incident's runbook: `started`, `done`, `skipped`, `planned`, `open`.

    `owner` and `due` (seconds) plan a step of the long term.
    """

    incident: str
    step: str
    state: str
    by: str
    at: float
    note: str = ""
    owner: str | None = None
    due: float | None = None


class Performed(msgspec.Struct, frozen=True, tag="performed", tag_field="control", omit_defaults=True):
    """What became of an action outside of Tocsin: `attempting`, `done`, `failed`, `verified`, `undone`.

    `result` is what the other side said, without secrets.
    """

    id: str
    incident: str
    action: str
    state: str
    by: str
    at: float
    result: str = ""


class Revealed(msgspec.Struct, frozen=True, tag="reveal", tag_field="control"):
    """Somebody was told what hidden values of a field stand for; the values are kept as they were hidden."""

    field: str
    values: tuple[str, ...]
    by: str
    at: float
    why: str


class Forgotten(msgspec.Struct, frozen=True, tag="forgotten", tag_field="control"):
    """Entities of which detectors are to forget everything, by kind: their ids are keyed, so that it names nobody."""

    entities: dict[str, tuple[int, ...]]
    at: float


class PeerSummary(msgspec.Struct, frozen=True, tag="peers", tag_field="control"):
    """What a detector says of a group of principals once a cell of `seconds` from `start` has closed.

    The meaning of `values` is the detector's own; `group` is the engine's key of the group.
    """

    detector: str
    group: str
    seconds: int
    start: int
    values: tuple[int, ...]


class Model(msgspec.Struct, frozen=True, tag="model", tag_field="control"):
    """What a training came to, for one detector and tenant, from an event time on.

    `arrays` are plain numbers as bytes, `digest` is theirs; `about` holds thresholds and how it was trained.
    """

    detector: str
    tenant: str
    since: float
    digest: str
    arrays: dict[str, bytes]
    about: dict[str, float]


Act = IncidentChange | Muted | Unmuted | Linked | Deny | Lift | Obeyed | Stepped | Performed
"""What an operator does about incidents; it enters the stream of findings."""
Fact = (
    DirectoryVersion
    | Parameters
    | Warmth
    | Shed
    | Denied
    | Revealed
    | Forgotten
    | PeerSummary
    | Model
    | Covered
    | Watched
)
"""What enters the stream of events, besides events."""
Control = Fact | Act

DECODER = msgspec.json.Decoder(Control)
ENCODER = msgspec.json.Encoder()


def read_control(line: bytes) -> Control:
    """The record of a line. Raises DamagedError."""
    try:
        record: Control = DECODER.decode(line)
    except msgspec.MsgspecError as error:
        raise DamagedError(
            f"a control record cannot be read ({error})",
            hint="run `tocsin verify`; if the log is good, a newer Tocsin wrote it",
        ) from error
    return record


def facts_in(frame: Frame) -> Iterator[Control]:
    """The records of a frame whose content is `control`, in order. Raises DamagedError at the first that is none."""
    return (read_control(line) for line in unpack(frame).split(b"\n") if line)


def control_frame(record: Control, received: float, *, source: str = "tocsin") -> Frame:
    """The frame that brings a fact into a stream; `received` is the wall clock in seconds since the epoch."""
    header = Header(received=received, content="control", count=1, source=source, codec="none")
    return pack(header, ENCODER.encode(record))
