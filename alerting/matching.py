"""Conditions on findings and incidents: the one language of silences, exceptions and routes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, Literal, get_args

import msgspec

from alerting.incidents.family import FAMILIES, family
from alerting.incidents.record import Record, rank
from stream.errors import RejectedError
from stream.finding import CLASSES, SEVERITIES, Finding
from tocsin_audit.event import AuditEvent

Operator = Literal["=", "!=", ">="]
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)

_CLOSED: Final[Mapping[str, frozenset[str]]] = {
    "class": frozenset(CLASSES),
    "severity": frozenset(SEVERITIES),
    "family": frozenset(FAMILIES.values()),
}
KEYS: Final = frozenset({*_CLOSED, "detector", *AuditEvent.__struct_fields__})
"""What a condition may ask for: these, and every field of an event that can stand in a finding's entity or facts."""
LONGEST: Final = 500
"""Characters of one condition."""
_TEXT: Final = re.compile(r"([a-z_]+)\s*(!=|>=|=)\s*(.+)\Z", re.DOTALL)
_COMMA: Final = re.compile(r"(?<!\\),")

Have = Mapping[str, Sequence[str]]
"""The values that a finding or an incident has, by key."""


class Condition(msgspec.Struct, frozen=True):
    """One condition: the key has (`=`) or has not (`!=`) one of these values, or a severity is at least (`>=`) one.

    A `*` in a value stands for any characters. A key that is not there has no value.
    """

    key: str
    operator: Operator
    values: tuple[str, ...]

    def holds(self, have: Have) -> bool:
        """Whether it is true of these values."""
        there = have.get(self.key, ())
        if self.operator == ">=":
            least = SEVERITIES.index(self.values[0])
            return any(SEVERITIES.index(value) >= least for value in there)
        found = any(_like(value, pattern) for value in there for pattern in self.values)
        return found if self.operator == "=" else not found

    def __str__(self) -> str:
        return f"{self.key}{self.operator}{','.join(value.replace(',', chr(92) + ',') for value in self.values)}"


def parse(text: str) -> Condition:
    """A condition as people write it: `tenant=acme,globex`, `severity>=high`, `user!=https://idp.example|*`.

    A comma within a value is written `\\,`. Raises RejectedError saying what is wrong with it.
    """
    shown = f"'{text[:80]}'"
    match = _TEXT.match(text.strip()) if len(text) <= LONGEST else None
    if match is None:
        raise RejectedError(f"{shown} is no condition", hint="write key=value, key!=value or severity>=high")
    key, operator = match[1], next(one for one in OPERATORS if one == match[2])
    if key not in KEYS:
        close = get_close_matches(key, KEYS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "class, severity, family, detector or an event's field"
        raise RejectedError(f"there is no key '{key[:40]}' in {shown}", hint=hint)
    values = tuple(part.strip().replace("\\,", ",") for part in _COMMA.split(match[3]))
    if not all(values):
        raise RejectedError(f"a value is missing in {shown}", hint="write key=value or key=one,two")
    if operator == ">=" and (key != "severity" or len(values) != 1):
        raise RejectedError(f"{shown} cannot be compared", hint="severity>=high is the one comparison there is")
    known = _CLOSED.get(key)
    for value in values:
        if known is not None and "*" not in value and value not in known:
            close = get_close_matches(value, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(sorted(known))}"
            raise RejectedError(f"there is no {key} '{value[:40]}'", hint=hint)
    return Condition(key, operator, values)


def parse_all(texts: Iterable[str]) -> tuple[Condition, ...]:
    """Several conditions, all of which must hold; raises RejectedError for the first that is wrong."""
    return tuple(parse(text) for text in texts)


def all_hold(conditions: Iterable[Condition], have: Have) -> bool:
    """Whether every condition is true."""
    return all(condition.holds(have) for condition in conditions)


def of_finding(finding: Finding) -> Have:
    """What a finding can be asked for: its class and the like, and what it is about."""
    have: dict[str, Sequence[str]] = {key: (value,) for key, value in finding.entity.items()}
    have |= {
        "class": (finding.class_,),
        "severity": (finding.severity,),
        "family": (family(finding.class_),),
        "detector": (finding.detector,),
    }
    if finding.tenant is not None:
        have["tenant"] = (finding.tenant,)
    return have


def of_record(record: Record) -> Have:
    """What an incident can be asked for: the same, over all its findings."""
    have: dict[str, Sequence[str]] = dict(record.facts)
    have |= {key: (value,) for key, value in record.entity.items()}
    have |= {
        "class": record.classes,
        "severity": (SEVERITIES[rank(record.severity)],),
        "family": (record.family,),
        "detector": record.detectors,
    }
    if record.tenant is not None:
        have["tenant"] = (record.tenant,)
    return have


def _like(value: str, pattern: str) -> bool:
    """Whether a value fits a pattern in which `*` stands for any characters; linear in both."""
    parts = pattern.split("*")
    if len(parts) == 1:
        return value == pattern
    first, last = parts[0], parts[-1]
    if len(value) < len(first) + len(last) or not value.startswith(first) or not value.endswith(last):
        return False
    at, end = len(first), len(value) - len(last)
    for part in parts[1:-1]:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
