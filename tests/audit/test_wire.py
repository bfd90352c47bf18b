import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.wire import MOST_BODY, SseTap, Tap, messages, plain


def response(number: int, text: str = "x") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": {"content": [{"type": "text", "text": text}]}}


PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}


@given(
    st.lists(st.sampled_from(["response", "progress", "comment"]), max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(1, 40), max_size=30),
    st.booleans(),
)
def test_responses_are_found_however_a_stream_is_cut(kinds: list[str], end: str, cuts: list[int], closed: bool) -> None:
    text, wanted = "", []
    for number, kind in enumerate(kinds):
        if kind == "comment":
            text += f": ping{end}{end}"
            continue
        message = response(number) if kind == "response" else PROGRESS
        wanted += [message] if kind == "response" else []
        text += f"event: message{end}id: {number}{end}data: {json.dumps(message)}{end}{end}"
    stream = text.encode()
    if not closed and stream:
        stream = stream[: -2 * len(end)]
    tap, at = SseTap(), 0
    for cut in [*cuts, len(stream)]:
        tap.feed(stream[at : at + cut])
        at += cut
    assert [json.loads(body) for body in tap.bodies()] == wanted
    assert tap.seen == len(stream)


def test_an_event_of_several_data_lines_is_joined() -> None:
    tap = SseTap()
    tap.feed(b'data: {"jsonrpc": "2.0",\ndata: "id": 1, "result": {}}\n\n')
    assert [json.loads(body) for body in tap.bodies()] == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


def test_progress_does_not_crowd_the_result_out() -> None:
    tap = SseTap()
    for _ in range(20_000):
        tap.feed(f"data: {json.dumps({**PROGRESS, 'pad': 'p' * 400})}\n\n".encode())
    tap.feed(f"data: {json.dumps(response(1))}\n\n".encode())
    assert tap.kept < 1000
    assert len(tap.bodies()) == 1
    assert not tap.truncated


def test_a_giant_event_is_given_up_and_the_next_one_read() -> None:
    tap = SseTap()
    tap.feed(b'data: {"id": 1, "result": "')
    for _ in range(100):
        tap.feed(b"z" * 65_536)
    tap.feed(b'"}\n\n')
    tap.feed(f"data: {json.dumps(response(2))}\n\n".encode())
    assert tap.truncated
    assert [json.loads(body)["id"] for body in tap.bodies()] == [2]
    assert tap.kept < MOST_BODY


def test_a_body_beyond_the_bound_is_only_counted() -> None:
    tap = Tap()
    for _ in range(5):
        tap.feed(b"x" * (MOST_BODY // 4 + 1))
    assert tap.truncated
    assert tap.bodies() == []
    assert tap.seen == 5 * (MOST_BODY // 4 + 1)
    assert tap.kept <= MOST_BODY


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "", "identity"])
def test_a_compressed_body_is_read(encoding: str) -> None:
    body = b'{"jsonrpc":"2.0"}'
    coded = gzip.compress(body) if encoding == "gzip" else zlib.compress(body) if encoding == "deflate" else body
    assert plain(coded, encoding) == body


def test_a_bomb_or_an_unknown_coding_is_left_alone() -> None:
    assert plain(gzip.compress(b"\0" * (MOST_BODY * 3)), "gzip") is None
    assert plain(b"x", "br") is None
    assert plain(b"x", "gzip") is None


def test_what_is_no_json_rpc_is_none() -> None:
    assert messages(b"<html>") is None
    assert messages(b'{"error": "invalid_token"}') is None
    assert messages(b"[" * 5000) is None
    assert messages(b'[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]') is not None
