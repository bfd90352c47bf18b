"""Records of any format become lines that a replay reads as they were folded, whatever a format does."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from collector.admit import Admitted
from collector.format import UNTIMED, RecordError
from collector.formats.native import FORMAT as NATIVE
from collector.formats.native import parse_lines
from collector.keys import Key
from collector.reading import Reader, Record
from tocsin_audit.event import AuditEvent

KEY = Key(id="k", hash="", created=0.0, tenants=("acme",), tenant="acme")
PLACE = "f" * 64


class Odd:
    """A format that does what its record says."""

    name = "odd"
    about: Any = None

    def fits(self, record: bytes) -> bool:
        return True

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        said = record.decode()
        if said == "bug":
            raise ZeroDivisionError
        good = AuditEvent(time=1_763_700_000.123456789, server="s", method="m", target=said)
        if said == "half":
            raise RecordError("field", "the other half is bad", events=(good,))
        if said == "pair":
            return good, AuditEvent(time=UNTIMED, server="s", method="m", target="second")
        if said == "lines":
            good.ext = msgspec.Raw(b'{"a":\n[1,\r\n2]}')
        if said == "foreign":
            good.tenant = "globex"
        return (good,)


def read(*records: bytes, longest: int = 1000) -> Admitted:
    admitted = Admitted()
    numbered = [Record(data, number, 1_763_700_005.0) for number, data in enumerate(records, 7)]
    Reader(Odd(), KEY, longest).read(admitted, numbered, PLACE, 1_763_700_009.0)
    return admitted


@pytest.mark.parametrize("record", [b"x", b"pair", b"lines", "naïve‮".encode()])
def test_what_is_folded_is_what_the_line_says(record: bytes) -> None:
    admitted = read(record, record)
    again = parse_lines(b"\n".join(admitted.lines), admitted.lines)
    assert again == admitted.events
    assert not any(b"\n" in line or b"\r" in line for line in admitted.lines)


def test_events_are_named_by_their_place() -> None:
    assert [event.id for event in read(b"x", b"pair").events] == [f"{'f' * 32}.{end}" for end in ("7", "8", "8.1")]


def test_an_event_without_a_time_has_its_envelopes() -> None:
    assert [event.time for event in read(b"pair").events] == [1_763_700_000.123456789, 1_763_700_005.0]


def test_every_refusal_has_its_reason_and_leaves_the_others() -> None:
    admitted = read(b"bug", b"half", b"foreign", b"y" * 2000, b"x")
    assert [event.target for event in admitted.events] == ["half", "x"]
    found = [(each.line, reason) for each, reason in zip(admitted.rejected, admitted.reasons, strict=True)]
    assert sorted(found) == [(7, "malformed"), (8, "field"), (9, "scope"), (10, "too_long")]


def test_native_lines_stay_as_they_came() -> None:
    line = b'{"time": 1763700000,  "server":"s","method":"m","unknown":1}'
    admitted = Admitted()
    Reader(NATIVE, KEY, 1000).read(admitted, [Record(line, 1)], PLACE, 0.0)
    assert admitted.lines == [line]
