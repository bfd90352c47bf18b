"""The native format gives back what `tocsin_audit` wrote, and says by field what is wrong with anything else."""

import pytest

from collector.format import RecordError
from collector.formats.native import FORMAT, deep
from tocsin_audit.event import AuditEvent, to_wire


def test_what_was_written_is_read() -> None:
    event = AuditEvent(time=1_800_000_000.5, server="crm", method="tools/call", rows=3, resource_tenants=("acme",))
    assert FORMAT.parse(b"  " + to_wire(event) + b"\n") == (event,)


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        (b'{"server": "crm", "method": "tools/call"}', "missing", "time"),
        (b'{"time": 1800000000, "server": "", "method": "tools/call"}', "missing", "server"),
        (b'{"time": 1800000000, "server": "crm"}', "missing", "method"),
        (b'{"time": "yesterday", "server": "crm", "method": "tools/call"}', "field", "time"),
        (b'{"time": -1, "server": "crm", "method": "tools/call"}', "time", "time"),
        (b'{"time": 1800000000, "server": "crm", "method": "tools/call", "rows": "many"}', "field", "rows"),
        (b'{"time": 1800000000, "server": "crm", "method": "tools/call"} {}', "malformed", ""),
        (b'{"ext": ' + b"[" * 600 + b"]" * 600 + b"}", "too_deep", ""),
    ],
)
def test_a_bad_line_is_refused_by_reason_and_field(record: bytes, reason: str, field: str) -> None:
    with pytest.raises(RecordError) as caught:
        FORMAT.parse(record)
    assert (caught.value.reason, caught.value.where) == (reason, field)
    assert caught.value.hint


def test_brackets_in_a_text_are_no_depth() -> None:
    assert not deep(b'{"error": "' + b"[" * 5000 + b'\\"[["}')
