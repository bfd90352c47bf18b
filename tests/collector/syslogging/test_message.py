"""Headers of every dialect come off, and the payload is what was logged."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.syslogging.message import parse

NOW = datetime(2026, 1, 2, 3, 0, tzinfo=UTC).timestamp()
PAYLOAD = b'{"server":"crm","method":"m: n"}'
CEF = b"CEF:0|IBM|ContextForge|1.0|auth|failed|7|src=10.0.0.1"


def at(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("data", "payload", "time"),
    [
        (
            b"<134>1 2026-01-02T02:59:58.123456Z gw mcp 12 ID47 - " + PAYLOAD,
            PAYLOAD,
            at(2026, 1, 2, 2, 59, 58) + 0.123456,
        ),
        (b"<134>1 - - - - - - " + PAYLOAD, PAYLOAD, None),
        (b"<134>1 2026-01-02T03:59:58+01:00 gw mcp - - - \xef\xbb\xbf" + PAYLOAD, PAYLOAD, at(2026, 1, 2, 2, 59, 58)),
        (b'<1>1 - h a - - [x@1 k="v\\]\\"["][y@2 a="b"] ' + PAYLOAD, PAYLOAD, None),
        (b"<134>1 - h a - - -", b"", None),
        (b"<134>Jan  2 02:59:58 gw mcp[12]: " + PAYLOAD, PAYLOAD, at(2026, 1, 2, 2, 59, 58)),
        (b"<134>Dec 31 23:59:58 gw mcp: " + PAYLOAD, PAYLOAD, at(2025, 12, 31, 23, 59, 58)),
        (b"<134>Jan  2 02:59:58 mcp[12]: " + PAYLOAD, PAYLOAD, at(2026, 1, 2, 2, 59, 58)),
        (b"<134>2026-01-02T02:59:58.5+00:00 gw mcp: @cee: " + PAYLOAD, PAYLOAD, at(2026, 1, 2, 2, 59, 58) + 0.5),
        (b"<134>Jan  2 02:59:58 gw " + CEF, CEF, at(2026, 1, 2, 2, 59, 58)),
        (b"<134>" + CEF, CEF, None),
        (b"<134>mcp: " + PAYLOAD, PAYLOAD, None),
        (b"<12>" + PAYLOAD + b"\0", PAYLOAD, None),
        (PAYLOAD, PAYLOAD, None),
        (b"<134>Feb 30 02:59:58 gw " + PAYLOAD, PAYLOAD, None),
        (b"<134>Xyz  2 02:59:58 gw " + PAYLOAD, PAYLOAD, None),
    ],
)
def test_a_header_comes_off(data: bytes, payload: bytes, time: float | None) -> None:
    assert parse(data, NOW) == (payload, time)


@given(st.binary(max_size=300), st.sampled_from([b"", b"<1>", b"<1>1 ", b"<1>1 - - - - - [", b"<1>Jan  1 00:00:00 "]))
def test_anything_is_a_message(data: bytes, begin: bytes) -> None:
    assert len(parse(begin + data, NOW).payload) <= len(begin + data)
