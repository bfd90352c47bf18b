"""Denials: whom Tocsin told this server to refuse, and until when."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from tocsin_audit.event import seconds

_VERIFIED_ONLY: Final = frozenset({"user", "client", "agent", "tenant"})
_SUBJECTS: Final = _VERIFIED_ONLY | {"token", "source_ip", "server", "target"}


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """One subject that is refused until a moment (seconds since the epoch), for an incident; all of it must match."""

    id: str
    subject: dict[str, str]
    until: float
    incident: str
    mode: str = "deny"


class Denials:
    """The deny list, compiled for one look-up per fact."""

    def __init__(self, denials: Iterable[Any] = ()) -> None:
        self.faults: list[str] = []
        self._by_fact: dict[tuple[str, str], list[Denial]] = {}
        self.keys: frozenset[str] = frozenset()
        self.targets: frozenset[str] = frozenset()
        for given in denials:
            try:
                self._add(_denial(given))
            except (ValueError, TypeError) as error:
                self.faults.append(f"denial {str(given)[:120]!r}: {error}")
        listed = [denial for denials in self._by_fact.values() for denial in denials]
        self.ids = sorted(denial.id for denial in listed)
        self.keys = frozenset(key for denial in listed for key in denial.subject)
        self.targets = frozenset(denial.subject["target"] for denial in listed if "target" in denial.subject)

    def _add(self, denial: Denial) -> None:
        if denial.mode != "deny":
            return
        if not denial.subject or not denial.subject.keys() <= _SUBJECTS:
            raise ValueError(f"a subject names one or more of {', '.join(sorted(_SUBJECTS))}")
        # The look-up goes by the fact that is hardest to share.
        first = min(denial.subject.items(), key=lambda fact: (fact[0] in ("server", "tenant", "target"), fact))
        self._by_fact.setdefault(first, []).append(denial)

    def __bool__(self) -> bool:
        return bool(self._by_fact)

    def find_among(self, facts: Mapping[str, str | None], targets: Iterable[str], now: float) -> Denial | None:
        """The denial that covers a caller who asks for one of these targets, if one does; see `find`."""
        for target in targets:
            if (denial := self.find({**facts, "target": target}, now)) is not None:
                return denial
        return self.find(facts, now)

    def find(self, facts: Mapping[str, str | None], now: float) -> Denial | None:
        """The denial that covers a caller, if one does.

        `facts` holds what is known of the caller; `user`, `client`, `agent` and `tenant` only where the server has
        verified them, so that nobody can have a victim cut off by naming him. `now` is in seconds since the epoch.
        """
        for key, value in facts.items():
            if value is None:
                continue
            for denial in self._by_fact.get((key, value), ()):
                if now < denial.until and all(
                    _matches(facts, *fact, len(denial.subject)) for fact in denial.subject.items()
                ):
                    return denial
        return None


def _matches(facts: Mapping[str, str | None], key: str, wanted: str, of: int) -> bool:
    """Whether one fact of a subject holds; beside others, a tenant that nobody could know does not stand against."""
    known = facts.get(key, "")
    return known == wanted or (key == "tenant" and of > 1 and known is None)


def _denial(given: Any) -> Denial:
    if isinstance(given, Denial):
        return given
    if isinstance(given, dict) and isinstance(given.get("until"), str):
        given = {**given, "until": seconds(msgspec.convert(given["until"], datetime))}
    return msgspec.convert(given, Denial)
