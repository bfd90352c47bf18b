"""Finding the format of each record by itself, so that files of several sources can be read."""

from collections.abc import Sequence
from typing import Final

from collector.format import About, Format, RecordError
from tocsin_audit.event import AuditEvent

NAME: Final = "auto"


class Auto:
    """Reads each record as the first format that it fits and that makes something of it; `forms` the surest first."""

    name = NAME
    about = About(title="Whatever format each record is in", versions="-", fields=frozenset())

    def __init__(self, forms: Sequence[Format]) -> None:
        self._forms = forms

    def fits(self, record: bytes) -> bool:
        """Whether any format fits."""
        return any(form.fits(record) for form in self._forms)

    def choose(self, record: bytes) -> Format | None:
        """The format that a record is read as; null where none fits."""
        fallback: Format | None = None
        for form in self._forms:
            if form.fits(record):
                fallback = fallback or form
                try:
                    if form.parse(record):
                        return form
                except RecordError as error:
                    if error.events:
                        return form
        return fallback

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        """The events of a record; raises RecordError where no format fits, or the first that fits cannot use it."""
        first: RecordError | None = None
        fitting = 0
        for form in self._forms:
            if not form.fits(record):
                continue
            fitting += 1
            try:
                if events := form.parse(record):
                    return events
            except RecordError as error:
                if error.events:
                    raise
                first = first or error
        if first is not None:
            raise first
        if not fitting:
            raise RecordError(
                "format",
                "no known format",
                hint="`tocsin formats list` names those there are; others are described in a YAML file",
            )
        return ()
