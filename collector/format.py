"""What a format is: the bytes of one record become audit events, or there is a named reason why not."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from stream.errors import RejectedError
from tocsin_audit.event import AuditEvent

Reason = Literal["malformed", "too_long", "too_deep", "missing", "field", "time", "scope", "format"]

UNTIMED: Final = 0.0
"""The time of an event whose record tells none: whoever receives the record puts its own there."""


class RecordError(RejectedError):
    """A record that cannot be used; `reason` is for counting, `where` is the field if it is one field's fault.

    `events` are those of the record that are good all the same, where it holds several.
    """

    def __init__(
        self, reason: Reason, what: str, *, field: str = "", hint: str = "", events: Sequence[AuditEvent] = ()
    ) -> None:
        super().__init__(what, where=field, hint=hint)
        self.reason: Reason = reason
        self.events = events


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a format: which product and versions it reads, which fields of an event it can fill.

    `blind` is what the source cannot show, in a sentence; `sampled` says that it may send only a share.
    """

    title: str
    versions: str
    fields: frozenset[str]
    blind: str = ""
    sampled: bool = False


class Format(Protocol):
    """Reads the records of one kind of source. A format's module exposes `FORMAT`, an instance."""

    @property
    def name(self) -> str:
        """The name that configuration and `--format` use: that of its module."""
        ...

    @property
    def about(self) -> About:
        """What it reads and what it can tell."""
        ...

    def fits(self, record: bytes) -> bool:
        """Whether a record looks like this format's, at a glance; a record may fit several."""
        ...

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        """The events of one record, in their form in memory (see `stream.decode.prepare`); none where it says nothing.

        An event whose time the record does not tell has the time `UNTIMED`. Raises RecordError where the record cannot
        be used, or not all of it.
        """
        ...


class Made(NamedTuple):
    """What came of one record: its events, and why there are not more."""

    events: Sequence[AuditEvent]
    error: RecordError | None = None


def read(form: Format, record: bytes) -> Made:
    """What a format makes of a record, never raising RecordError."""
    try:
        return Made(form.parse(record))
    except RecordError as error:
        return Made(error.events, error)
