"""Headers on their way through the proxy."""

from typing import Any

import pytest

from collector.proxy.headers import Header, back, onward, readable
from tocsin_audit.source import networks

GIVEN: list[Header] = [
    (b"host", b"proxy.example"),
    (b"connection", b"close, X-Private"),
    (b"x-private", b"1"),
    (b"te", b"trailers"),
    (b"authorization", b"Bearer t"),
    (b"x-forwarded-for", b"6.6.6.6"),
    (b"x-forwarded-proto", b"https"),
    (b"accept-encoding", b"br, gzip;q=0.5, zstd"),
    (b"content-length", b"2"),
]


def sent(**said: Any) -> list[Header]:
    plain = {"host": b"up:1", "client": ("192.0.2.1", 5), "scheme": "http", "trusted": (), "chunked": False}
    return onward(GIVEN, **{**plain, **said})


def test_what_belongs_to_one_hop_stays_there() -> None:
    names = [name for name, _ in sent()]
    assert not {b"connection", b"x-private", b"te"} & set(names)
    assert (b"authorization", b"Bearer t") in sent()
    assert (b"content-length", b"2") in sent()
    assert sent()[0] == (b"host", b"up:1")
    assert (b"host", b"proxy.example") in sent(host=None)


def test_a_stranger_cannot_name_his_own_address() -> None:
    stranger = dict(sent())
    assert stranger[b"x-forwarded-for"] == b"192.0.2.1"
    assert stranger[b"x-forwarded-proto"] == b"http"
    trusted = dict(sent(trusted=networks(["192.0.2.0/24"])))
    assert trusted[b"x-forwarded-for"] == b"6.6.6.6, 192.0.2.1"
    assert trusted[b"x-forwarded-proto"] == b"https"
    assert trusted[b"x-forwarded-host"] == b"proxy.example"


def test_a_body_without_a_length_is_chunked_again() -> None:
    headers = sent(chunked=True)
    assert (b"transfer-encoding", b"chunked") in headers
    assert b"content-length" not in dict(headers)


def test_only_encodings_that_can_be_read_are_asked_for() -> None:
    assert dict(sent())[b"accept-encoding"] == b"gzip;q=0.5"
    assert readable(b"br") == b"identity"
    assert readable(b"gzip, deflate") == b"gzip, deflate"


def test_repeated_headers_come_back_repeated_and_in_order() -> None:
    answer = [(b"Set-Cookie", b"a"), (b"Connection", b"keep-alive"), (b"Set-Cookie", b"b"), (b"Trailer", b"x")]
    assert back(answer) == [(b"Set-Cookie", b"a"), (b"Set-Cookie", b"b")]


@pytest.mark.parametrize("value", [b"", b",", b"\xff", b"Connection"])
def test_a_strange_connection_header_is_survived(value: bytes) -> None:
    assert back([(b"connection", value), (b"a", b"1")]) == [(b"a", b"1")]
