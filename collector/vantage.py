"""One call, once: which of several vantage points counts it."""

import threading
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, NamedTuple

from tocsin_audit.event import AuditEvent

KEYS: Final = 100_000
"""Calls that are remembered."""
WAITING: Final = 64
"""Of one such call, how many are remembered that another vantage point may still tell of."""
TRACE_SECONDS: Final = 120.0
WINDOW_SECONDS: Final = 2.0

_REFUSED: Final = frozenset({"auth_missing", "auth_invalid", "authz_denied", "origin_rejected"})
_GOOD: Final = frozenset({None, "ok", "input_required"})


class Point(NamedTuple):
    """Where events were seen from: the format that they came in, and the key or input that brought them."""

    form: str
    key: str


class Rule(NamedTuple):
    """Who counts the calls of a server, and who its refused logins: a format, a key, an input or a producer."""

    counts: str
    auth: str


NO_RULES: Final[Mapping[str, Rule]] = MappingProxyType({})


class _Seen(NamedTuple):
    time: float
    form: str
    kind: str
    actor: str | None
    request: str | int | None
    told: frozenset[str]


class Vantage:
    """Says of each event whether another one counts for it; shared by all doors of a process.

    Where a server has a rule, that decides. Else the same call seen in two formats counts in the first that came: by
    its trace within `trace` seconds, else by what is known of it within `window` seconds. Events of one format never
    stand for each other, so that whoever repeats a trace only ever hides what another vantage point counted.
    """

    def __init__(
        self, rules: Mapping[str, Rule] = NO_RULES, *, trace: float = TRACE_SECONDS, window: float = WINDOW_SECONDS
    ) -> None:
        self._rules = rules
        self._trace = trace
        self._window = window
        self._forms: OrderedDict[str, set[str]] = OrderedDict()
        self._seen: OrderedDict[tuple[str, ...], deque[_Seen]] = OrderedDict()
        self._lock = threading.Lock()

    def concerns(self, events: Sequence[AuditEvent], point: Point) -> bool:
        """Whether any of these events may be one that another vantage point counts."""
        if self._rules:
            return True
        # Every server is looked at, since each is to be known by the format that it came in.
        return sum(self._several(server, point.form) for server in {event.server for event in events}) > 0

    def echo(self, event: AuditEvent, point: Point) -> str | None:
        """The vantage point that counts this event's call, where it is another one."""
        if event.kind not in ("request", "auth") or event.echo is not None:
            return None
        rule = self._rules.get(event.server) or self._rules.get("*")
        if rule is not None:
            refused = event.kind == "auth" or event.outcome in _REFUSED
            counting = rule.auth if refused else rule.counts
            return None if _is(counting, event, point) else counting
        if event.sample_rate is not None and event.sample_rate < 1.0:
            return None
        if not self._several(event.server, point.form):
            return None  # as always where there is but one
        with self._lock:
            return self._told(event, point.form)

    def _several(self, server: str, form: str) -> bool:
        """Whether a server is seen in more than one format, so that there is anything to tell apart."""
        forms = self._forms.get(server)
        if forms is None or form not in forms:
            with self._lock:
                forms = self._forms.setdefault(server, set())
                forms.add(form)
                if len(self._forms) > KEYS:
                    self._forms.popitem(last=False)
        return len(forms) > 1

    def _told(self, event: AuditEvent, form: str) -> str | None:
        method, target = event.method or event.kind, event.target or ""
        key = (event.server, method, target, event.trace or "")
        limit = self._trace if event.trace else self._window
        kind = "refused" if event.outcome in _REFUSED else "good" if event.outcome in _GOOD else "failed"
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = deque(maxlen=WAITING)
            if len(self._seen) > KEYS:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(key)
        for at, one in enumerate(seen):
            if (
                one.form != form
                and form not in one.told
                and abs(one.time - event.time) <= limit
                and one.kind == kind
                and _agree(one.actor, event.actor)
                and _agree(one.request, event.request_id)
            ):
                seen[at] = one._replace(told=one.told | {form})
                return one.form
        seen.append(_Seen(event.time, form, kind, event.actor, event.request_id, frozenset()))
        return None


def _agree(one: object, other: object) -> bool:
    return one is None or other is None or str(one) == str(other)


def _is(word: str, event: AuditEvent, point: Point) -> bool:
    return word in (point.form, point.key) or (event.producer is not None and fnmatchcase(event.producer, word))
