"""Enriching: what Tocsin itself adds to events at receipt, and what it takes out before they are stored."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from collector.formats.native import FORMAT
from collector.inspection import carried
from collector.inspection.carried import Carried, payload
from collector.inspection.inspector import Inspection, Inspector
from collector.owned import Owned
from collector.rewrite import raw, rewritten
from stream.directory import EMPTY, Directory
from tocsin_audit import arguments, measure
from tocsin_audit.event import AuditEvent

Changes = dict[str, Any]

SEEN: Final = "seen"
"""The member of `ext` that says where in the content each signal was, without the content."""


class Options(NamedTuple):
    """What an operator says of enriching; `keep` names the members of `ext` that are stored as they came."""

    inspector: Inspector | None = None
    keep: frozenset[str] = frozenset()


class Enriched(NamedTuple):
    """Events and their lines once something about them changed."""

    events: list[AuditEvent]
    lines: list[bytes]


class Enricher:
    """Reads what events carry and leaves its meaning; used by one thread or one event loop."""

    def __init__(self, options: Options, directory: Callable[[], Directory] = lambda: EMPTY) -> None:
        self._options = options
        self._owned = Owned(directory)

    def __call__(self, events: Sequence[AuditEvent], lines: Sequence[bytes], payload_: bytes) -> Enriched | None:
        """The events and lines as they are to be stored; None where all stay as they came."""
        if not self._looks(payload_):
            return None
        new: Enriched | None = None
        for at, event in enumerate(events):
            changes = self._changes(event)
            if not changes:
                continue
            if new is None:
                new = Enriched(list(events), list(lines))
            line = rewritten(lines[at], changes)
            # Read anew, so that what is folded now is what a replay will read.
            (new.events[at],) = FORMAT.parse(line)
            new.lines[at] = line
        return new

    def _looks(self, payload_: bytes) -> bool:
        return carried.possible(payload_) or b"resources/" in payload_

    def _changes(self, event: AuditEvent) -> Changes:
        changes: Changes = {}
        held = carried.carried(event.ext) if event.ext else None
        signals: tuple[str, ...] = ()
        if held is not None:
            signals = self._content(event, held, changes)
        if event.method == "resources/read" and event.target is not None and self._options.inspector is not None:
            signals += self._options.inspector.target(event.target)
        if new := tuple(signal for signal in dict.fromkeys(signals) if signal not in event.signals):
            changes["signals"] = (*event.signals, *new)
        return changes

    def _content(self, event: AuditEvent, held: Carried, changes: Changes) -> tuple[str, ...]:
        """What the content says, as changes; the signals that are in it."""
        seen = Inspection((), cut=False)
        if self._options.inspector is not None:
            seen = self._options.inspector.inspect(held.content)
        owners = self._owned.owners(event, held)
        if owners != event.resource_tenants:
            changes["resource_tenants"] = owners
        self._shape(event, held, changes)
        rest: dict[str, Any] = {
            **held.rest,
            **{key: held.found[key] for key in held.found if key in self._options.keep},
        }
        if seen.seen or seen.cut:
            where: dict[str, Any] = {each.name: each.path for each in seen.seen if each.path}
            rest[SEEN] = raw({**where, "cut": True} if seen.cut else where)
        changes["ext"] = raw(rest) if rest else None
        return seen.signals

    @staticmethod
    def _shape(event: AuditEvent, held: Carried, changes: Changes) -> None:
        """What the middleware would have said of such content, where the event does not."""
        given, result, tools = held.content
        if not event.args_keys and (keys := arguments.keys(given)):
            changes["args_keys"] = keys
        if event.rows is None and isinstance(result, dict):
            rows = measure.rows(event.method or "", result, payload(result))
            if rows is not None:
                changes["rows"] = rows
        if not event.manifest and isinstance(tools, list) and event.method == "tools/list":
            changes["manifest"] = raw(measure.manifest(tools))
