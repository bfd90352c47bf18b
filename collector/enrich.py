"""Enriching: what Tocsin itself adds to events at receipt, and what it takes out before they are stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from collector.formats.native import FORMAT
from collector.identity.caller import FINGERPRINT, Caller
from collector.inspection import carried
from collector.inspection.carried import Carried, payload
from collector.inspection.inspector import Inspection, Inspector
from collector.owned import Owned
from collector.privacy.policy import Privacy
from collector.rewrite import raw, rewritten
from collector.vantage import Point, Vantage
from stream.directory import EMPTY, Directory
from tocsin_audit import arguments, measure
from tocsin_audit.event import ABSENT, AuditEvent
from tocsin_audit.fingerprint import LOCAL, Fingerprints

Changes = dict[str, Any]

SEEN: Final = "seen"
"""The member of `ext` that says where in the content each signal was, without the content."""
NATIVE: Final = "native"
PRINTS: Final = 100_000
"""Fingerprints of tokens that are remembered as such."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator says of enriching; `keep` names the members of `ext` that are stored as they came.

    `prints` makes the fingerprints of what producers sent whole. All doors of a process share the parts.
    """

    inspector: Inspector | None = None
    keep: frozenset[str] = frozenset()
    prints: Fingerprints = field(default_factory=lambda: Fingerprints(b"tocsin", LOCAL))
    caller: Caller | None = None
    privacy: Privacy = field(default_factory=Privacy)
    vantage: Vantage = field(default_factory=Vantage)


class Enriched(NamedTuple):
    """Events and their lines once something about them changed."""

    events: list[AuditEvent]
    lines: list[bytes]


class Enricher:
    """Reads what events carry and leaves its meaning; used by one thread or one event loop."""

    def __init__(self, options: Options, directory: Callable[[], Directory] = lambda: EMPTY) -> None:
        self._options = options
        self._owned = Owned(directory)
        self._caller = options.caller or Caller(options.prints)
        self._vantage = options.vantage
        self._prints: set[str | None] = set()

    def __call__(self, events: Sequence[AuditEvent], lines: Sequence[bytes], point: Point) -> Enriched | None:
        """The events and lines as they are to be stored; None where all stay as they came."""
        looks = self._options.inspector is not None
        counts = self._vantage.concerns(events, point)
        hides = self._options.privacy.hides
        new: Enriched | None = None
        for at, event in enumerate(events):
            # Mostly none of it is the case, and this is on the way of every event.
            hide = hides or event.error is not None or event.reason is not None
            read = event.method == "resources/read" and looks and event.target is not None
            holds = event.ext is not ABSENT and event.ext != ABSENT and carried.possible(event.ext)
            whole = event.token not in self._prints and not self._is_print(event.token)
            if not (whole or hide or read or counts or holds):
                continue
            changes: Changes = {}
            if whole or holds:
                self._content(event, changes)
            if read and event.target is not None and self._options.inspector is not None:
                _signal(event, changes, self._options.inspector.target(event.target))
            if counts and (told := self._vantage.echo(event, point)) is not None:
                changes["echo"] = told
            # What hides fields sees them as they are by then.
            line = rewritten(lines[at], changes) if changes else lines[at]
            if hide:
                (shown,) = FORMAT.parse(line) if changes else (event,)
                hidden = self._options.privacy.changes(shown)
                line = rewritten(line, hidden) if hidden else line
            if line is lines[at]:
                continue
            if new is None:
                new = Enriched(list(events), list(lines))
            # Read anew, so that what is folded now is what a replay will read.
            (new.events[at],) = FORMAT.parse(line)
            new.lines[at] = line
        return new

    def _is_print(self, token: str | None) -> bool:
        """Whether what stands for a token is a fingerprint; such are remembered, since callers come again."""
        if token is not None and FINGERPRINT.match(token) is None:
            return False
        if len(self._prints) >= PRINTS:
            self._prints.clear()
        self._prints.add(token)
        return True

    def _content(self, event: AuditEvent, changes: Changes) -> None:
        held = carried.carried(event.ext) if event.ext != ABSENT else None
        changes |= self._caller.changes(event, held, self._owned.tenant_claims)
        if held is None:
            return
        seen = Inspection((), cut=False)
        if self._options.inspector is not None:
            seen = self._options.inspector.inspect(held.content)
        owners = self._owned.owners(event, held)
        if owners != event.resource_tenants:
            changes["resource_tenants"] = owners
        self._shape(event, held, changes)
        _signal(event, changes, seen.signals)
        kept = {key: value for key, value in held.found.items() if key in self._options.keep}
        rest: dict[str, Any] = {**held.rest, **kept}
        if seen.seen or seen.cut:
            where: dict[str, Any] = {each.name: each.path for each in seen.seen if each.path}
            rest[SEEN] = raw({**where, "cut": True} if seen.cut else where)
        changes["ext"] = raw(rest) if rest else None

    def _shape(self, event: AuditEvent, held: Carried, changes: Changes) -> None:
        """What the middleware would have said of such content, where the event does not."""
        given, result, tools = held.content
        if not event.args_keys and (keys := arguments.keys(given)):
            changes["args_keys"] = keys
        if event.args_hash is None and (digest := arguments.digest(given, self._options.prints)) is not None:
            changes["args_hash"] = digest
        if not event.recipients and (recipients := arguments.recipients(given, self._options.prints)):
            changes["recipients"] = recipients
        if event.rows is None and isinstance(result, dict):
            rows = measure.rows(event.method or "", result, payload(result))
            if rows is not None:
                changes["rows"] = rows
        if not event.manifest and isinstance(tools, list) and event.method == "tools/list":
            changes["manifest"] = raw(measure.manifest(tools))


def _signal(event: AuditEvent, changes: Changes, signals: Sequence[str]) -> None:
    known = changes.get("signals", event.signals)
    if new := tuple(signal for signal in dict.fromkeys(signals) if signal not in known):
        changes["signals"] = (*known, *new)
