"""What each format can tell, column by column: the one table for the terminal, for machines and for the docs."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from collector.discovery import format_names, load_format
from collector.format import Format
from stream.errors import UnavailableError
from tocsin_audit.event import AuditEvent

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "who": ("user", "client", "agent"),
    "tenant": ("tenant",),
    "owner": ("resource_tenants",),
    "target": ("target",),
    "outcome": ("outcome",),
    "auth": ("auth",),
    "bytes": ("response_bytes",),
    "rows": ("rows",),
    "latency": ("duration_ms",),
    "session": ("session",),
    "address": ("source_ip",),
    "trace": ("trace",),
    "arguments": ("args_keys", "args_hash"),
    "loss": ("seq",),
}
"""What a column says of an event: that one of these fields is there."""


class Row(NamedTuple):
    """One format: `told` are the columns that it can fill."""

    name: str
    title: str
    versions: str
    told: Mapping[str, bool]
    sampled: bool
    blind: str


def rows() -> list[Row]:
    """Every format that is available, by name."""
    found = []
    for name in format_names():
        try:
            found.append(row_of(load_format(name)))
        except UnavailableError as error:
            found.append(Row(name, f"unavailable: {error.hint}", "-", dict.fromkeys(COLUMNS, False), False, ""))
    return found


def row_of(form: Format) -> Row:
    """What one format says of itself."""
    about = form.about
    told = {column: not about.fields.isdisjoint(fields) for column, fields in COLUMNS.items()}
    return Row(form.name, about.title, about.versions, told, about.sampled, about.blind)


def covered(events: Iterable[AuditEvent]) -> dict[str, float]:
    """The share of events that fill each column; empty where there are no events."""
    counts = dict.fromkeys(COLUMNS, 0)
    total = 0
    for event in events:
        total += 1
        for column, fields in COLUMNS.items():
            counts[column] += any(_said(getattr(event, field)) for field in fields)
    return {column: round(count / total, 4) for column, count in counts.items()} if total else {}


def _said(value: Any) -> bool:
    return value is not None and value != ()
