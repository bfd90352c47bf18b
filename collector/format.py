"""What a format is: the bytes of one record become audit events, or there is a named reason why not."""

from collections.abc import Sequence
from typing import Literal, Protocol

from stream.errors import RejectedError
from tocsin_audit.event import AuditEvent

Reason = Literal["malformed", "too_long", "too_deep", "missing", "field", "time", "scope"]


class RecordError(RejectedError):
    """A record that cannot be used; `reason` is for counting, `where` is the field if it is one field's fault."""

    def __init__(self, reason: Reason, what: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(what, where=field, hint=hint)
        self.reason: Reason = reason


class Format(Protocol):
    """Reads the records of one kind of source. A format's module exposes `FORMAT`, an instance."""

    @property
    def name(self) -> str:
        """The name that configuration and `--format` use: that of its module."""
        ...

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        """The events of one record, in their form in memory (see `stream.decode.prepare`); none where it says nothing.

        Raises RecordError where the record cannot be used.
        """
        ...
