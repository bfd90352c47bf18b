"""Events are durable before the answer, every line has its verdict, and every refusal says what to do."""

import asyncio
import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest
import zstandard

from collector.keys import revoke_key
from collector.limits import Limits
from stream.decode import decode
from stream.frame import unpack
from stream.log import EVENTS
from tocsin_audit.event import AuditEvent

NOW = 1_763_700_000.0
GOOD = b'{"time":1763700000,"server":"s","method":"m"}'


def line(**fields: Any) -> bytes:
    return msgspec.json.encode({"time": NOW, "server": "s", "method": "m", **fields})


def numbered(count: int, start: int = 0, run: str = "r") -> bytes:
    return b"\n".join(line(producer="p", run=run, seq=start + index) for index in range(count))


def stored(site: Any) -> list[AuditEvent]:
    return [event for record in site.log.read(EVENTS, 0, limit=1000) for event in decode(record.frame)]


# What is taken


def test_a_line_is_stored_as_it_came_with_who_brought_it_and_when(site: Any) -> None:
    content = b'{"time":1763700000,  "server":"s","method":"m","unknown":{"key":[1]}}'
    assert site.post(content + b"\n", site.key(tenants=["acme"])).json()["accepted"] == 1
    (record,) = site.log.read(EVENTS, 0)
    assert unpack(record.frame) == content
    header = record.frame.header
    assert (header.received, header.count, header.tenant, header.line) == (NOW, 1, "acme", 1)
    assert decode(record.frame)[0].tenant == "acme"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (GOOD + b"\n" + GOOD, "application/x-ndjson"),
        (GOOD + b"\r\n\r\n" + GOOD + b"\r\n", "application/x-ndjson; charset=utf-8"),
        (b"\n \n" + GOOD + b"\n\n" + GOOD, "text/plain"),
        (b"[" + GOOD + b"," + GOOD + b"]", "application/json"),
        (b" [\n  " + GOOD.replace(b",", b",\n") + b",\n" + GOOD + b"\n]\n", ""),
        (b"\xef\xbb\xbf" + GOOD + b"\n" + GOOD, "application/octet-stream"),
        (GOOD + b"\n" + GOOD, "application/json"),
    ],
    ids=["ndjson", "crlf", "blank lines", "array", "pretty array", "byte order mark", "ndjson called json"],
)
def test_every_usual_way_to_write_events_is_read(site: Any, content: bytes, content_type: str) -> None:
    answer = site.post(content, site.key(), Content_Type=content_type)
    assert answer.json() == {"accepted": 2, "duplicates": 0, "rejected": []}
    assert len(stored(site)) == 2


def test_one_object_over_several_lines_is_one_event(site: Any) -> None:
    content = GOOD.replace(b",", b",\n")
    assert site.post(content, site.key(), Content_Type="application/json").json()["accepted"] == 1
    assert len(stored(site)) == 1


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:70]) + gzip.compress(data[70:])),
        ("zstd", lambda data: zstandard.ZstdCompressor().compress(data)),
        ("zstd", lambda data: b"".join(zstandard.ZstdCompressor().compress(part) for part in (data[:70], data[70:]))),
        ("identity", lambda data: data),
    ],
    ids=["gzip", "gzip in members", "zstd", "zstd in frames", "identity"],
)
def test_every_encoding_is_undone(site: Any, encoding: str, encode: Callable[[bytes], bytes]) -> None:
    content = encode(numbered(600))
    assert site.post(content, site.key(), Content_Encoding=encoding).json()["accepted"] == 600
    assert [event.seq for event in stored(site)] == list(range(600))


def test_frames_hold_five_hundred_lines_and_ids_tell_the_place_in_the_body(site: Any) -> None:
    content = b"\n".join([GOOD] * 1_203)
    assert site.post(content, site.key()).json()["accepted"] == 1_203
    records = site.log.read(EVENTS, 0)
    assert [record.frame.header.count for record in records] == [500, 500, 203]
    assert [record.frame.header.line for record in records] == [1, 501, 1001]
    assert len({event.id for event in stored(site)}) == 1_203


def test_late_and_skewed_are_judged_by_the_listeners_clock(site: Any) -> None:
    site.now = NOW + 1000
    content = b"\n".join([line(time=NOW), line(time=NOW + 1000), line(time=NOW + 1061)])
    site.post(content, site.key())
    assert [(event.time, event.late, event.skewed) for event in stored(site)] == [
        (NOW, True, False),
        (NOW + 1000, False, False),
        (NOW + 1000, False, True),
    ]


# Verdicts on lines


def test_a_bad_line_is_named_and_the_others_are_taken(site: Any) -> None:
    answer = site.post(GOOD + b"\n" + line(rows="many") + b"\n\n" + GOOD + b"\n", site.key())
    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 2,
        "duplicates": 0,
        "rejected": [
            {
                "line": 2,
                "field": "rows",
                "error": "Expected `int | null`, got `str`",
                "hint": "see the field's meaning in the event schema; a field that is not known may be left out",
            }
        ],
    }
    (record,) = site.log.read(EVENTS, 0)
    assert record.frame.header.lines == (1, 4)
    assert site.counts.events["field"] == 1


def test_two_objects_in_a_line_and_one_in_two_do_not_pass_for_two(site: Any) -> None:
    head, tail = GOOD[:20], GOOD[20:]
    answer = site.post(head + b"\n" + tail + GOOD, site.key())
    assert answer.status_code == 400
    assert [rejected["line"] for rejected in answer.json()["rejected"]] == [1, 2]


def test_a_kind_stands_in_for_a_method(site: Any) -> None:
    content = b'{"time":1763700000,"server":"s","kind":"heartbeat"}\n{"time":1763700000,"server":"s","kind":"request"}'
    assert site.post(content, site.key()).json()["accepted"] == 2


def test_no_good_line_is_a_400_that_says_each_fault(site: Any) -> None:
    answer = site.post(b"{}\n[]", site.key())
    assert answer.status_code == 400
    assert len(answer.json()["rejected"]) == 2
    assert site.log.read(EVENTS, 0) == ()


# Refusals of whole requests


def refusal(answer: httpx.Response) -> dict[str, str]:
    body: dict[str, str] = answer.json()
    assert body["error"]
    assert body["hint"]
    return body


def test_who_holds_no_key_gets_nothing(site: Any) -> None:
    key = site.key()
    for wrong in (f"{key}x", key[:-1], "tcs_nobody_secret", "x", "tcs__"):
        answer = site.post(GOOD, wrong)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        refusal(answer)
    basic = site.client.post(f"{site.url}/v1/events", content=GOOD, headers={"Authorization": f"Basic {key}"})
    assert basic.status_code == 401


def test_a_revoked_key_is_refused_from_the_next_request_on(site: Any) -> None:
    key = site.key()
    assert site.post(GOOD, key).status_code == 200
    revoke_key(site.keys, key.split("_")[1], NOW)
    answer = site.post(GOOD, key)
    assert answer.status_code == 403
    assert "revoked" in refusal(answer)["error"]


@pytest.mark.parametrize(
    ("headers", "what"),
    [
        ({"Content_Type": "application/x-www-form-urlencoded"}, "Content-Type"),
        ({"Content_Type": "text/html"}, "Content-Type"),
        ({"Content_Encoding": "br"}, "Content-Encoding"),
        ({"Content_Encoding": "gzip, gzip"}, "Content-Encoding"),
    ],
)
def test_what_is_not_understood_is_a_415(site: Any, headers: dict[str, str], what: str) -> None:
    answer = site.post(GOOD, site.key(), **headers)
    assert answer.status_code == 415
    assert what in refusal(answer)["error"]


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", {}),
        (b" \n\n", {}),
        (b"[1, 2", {}),
        (b"[" * 99_999, {}),
        (b"not gzip", {"Content_Encoding": "gzip"}),
        (gzip.compress(GOOD)[:-4], {"Content_Encoding": "gzip"}),
        (gzip.compress(GOOD) + b"rest", {"Content_Encoding": "gzip"}),
        (gzip.compress(b"") * 1001, {"Content_Encoding": "gzip"}),
        (b"not zstd", {"Content_Encoding": "zstd"}),
        (zstandard.ZstdCompressor().compress(GOOD)[:-4], {"Content_Encoding": "zstd"}),
    ],
    ids=[
        "empty",
        "blank",
        "array cut short",
        "endless array",
        "no gzip",
        "gzip cut short",
        "gzip and more",
        "members without end",
        "no zstd",
        "zstd cut short",
    ],
)
def test_a_body_that_cannot_be_read_is_a_400(site: Any, content: bytes, headers: dict[str, str]) -> None:
    answer = site.post(content, site.key(), **headers)
    assert answer.status_code == 400
    refusal(answer)
    assert site.log.read(EVENTS, 0) == ()


def deflated(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b" " * (1 << 20) + GOOD, {}),
        (deflated(64 << 20), {"Content_Encoding": "gzip"}),
        (gzip.compress(bytes(600_000)) * 2, {"Content_Encoding": "gzip"}),
        (zstandard.ZstdCompressor().compress(bytes(256 << 20)), {"Content_Encoding": "zstd"}),
        (zstandard.ZstdCompressor(write_content_size=False).compress(bytes(64 << 20)), {"Content_Encoding": "zstd"}),
        (b"1\n" * 20_001, {}),
    ],
    ids=["plain", "gzip bomb", "gzip members", "zstd bomb", "zstd bomb of unknown size", "lines"],
)
def test_too_much_is_a_413_however_it_is_packed(open_site: Any, content: bytes, headers: dict[str, str]) -> None:
    with open_site(Limits(body=1 << 20)) as site:
        answer = site.post(content, site.key(), **headers)
        assert answer.status_code == 413
        refusal(answer)


def test_a_body_without_a_length_is_bounded_all_the_same(open_site: Any) -> None:
    with open_site(Limits(body=100_000)) as site:
        assert site.post(iter([b"x" * 10_000] * 11), site.key()).status_code == 413


def test_other_methods_are_not_allowed(site: Any) -> None:
    assert site.client.get(f"{site.url}/v1/events").status_code == 405


# Pressure


def test_a_nearly_full_disk_is_a_503_and_recovers(site: Any) -> None:
    key = site.key()
    site.free = 1 << 20
    answer = site.post(numbered(3), key)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "room" in refusal(answer)["error"]
    site.free = 1 << 40
    assert site.post(numbered(3), key).json() == {"accepted": 3, "duplicates": 0, "rejected": []}


def test_one_key_with_too_much_under_way_is_a_429_and_others_go_on(open_site: Any) -> None:
    with open_site(Limits(in_flight=100_000)) as site:
        greedy, modest = site.key(), site.key()
        release = threading.Event()

        def slowly() -> Any:
            yield line(ext="x" * 45_000)
            release.wait(30)
            yield b"\n"

        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(httpx.post, f"{site.url}/v1/events", content=slowly(), headers=auth(greedy), timeout=30)
            until(lambda: site.listener.in_flight > 40_000)
            answer = site.post(line(ext="y" * 8_000), greedy)
            assert answer.status_code == 429
            assert int(answer.headers["Retry-After"]) > 0
            refusal(answer)
            assert site.post(line(ext="y" * 8_000), modest).status_code == 200
            big = site.post(line(ext="y" * 45_000), modest)
            assert big.status_code == 200
            release.set()
            assert slow.result(60).status_code == 200
        assert site.post(line(ext="y" * 45_000), greedy).status_code == 200


def test_too_much_under_way_in_all_is_a_503(open_site: Any) -> None:
    with open_site(Limits(in_flight=1_000)) as site:
        for size, status in ((2_000, 503), (800, 429), (100, 200)):
            answer = site.post(line(ext="x" * size), site.key())
            assert answer.status_code == status


def test_a_body_that_does_not_arrive_is_given_up_and_held_bytes_come_back(open_site: Any) -> None:
    with open_site(Limits(read_seconds=0.3, in_flight=20_000)) as site:
        key = site.key()
        host, port = site.url.removeprefix("http://").split(":")
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 9999\r\n\r\n"
        for _ in range(3):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(head.encode() + b"x" * 9_000)
                assert connection.recv(4_000).startswith(b"HTTP/1.1 408")
        assert site.post(GOOD, key).status_code == 200


def test_a_client_that_hangs_up_leaves_nothing_behind(open_site: Any) -> None:
    with open_site(Limits(in_flight=40_000)) as site:
        key = site.key()
        host, port = site.url.removeprefix("http://").split(":")
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 9999\r\n\r\n"
        for _ in range(10):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(head.encode() + b"x" * 9_000)
        until(lambda: site.counts.events["400"] + site.counts.events["429"] == 10)
        assert site.listener.in_flight == 0
        assert site.post(line(ext="x" * 15_000), key).status_code == 200
        assert len(stored(site)) == 1


def test_many_clients_at_once_lose_and_double_nothing(site: Any) -> None:
    key = site.key()

    async def produce(lane: int, client: httpx.AsyncClient) -> int:
        total = 0
        for batch in range(5):
            content = numbered(40, batch * 40, run=f"lane{lane}")
            answer = await client.post(f"{site.url}/v1/events", content=content, headers=auth(key))
            total += answer.json()["accepted"]
        return total

    async def produce_all() -> list[int]:
        async with httpx.AsyncClient(timeout=30) as client:
            return await asyncio.gather(*(produce(lane, client) for lane in range(8)))

    assert asyncio.run(produce_all()) == [200] * 8
    assert sorted((event.run, event.seq) for event in stored(site)) == sorted(
        (f"lane{lane}", seq) for lane in range(8) for seq in range(200)
    )


# Duplicates


def test_what_is_sent_again_is_recognised(site: Any) -> None:
    key = site.key()
    for content in (numbered(3), line(id="a") + b"\n" + line(id="b"), GOOD + b"\n" + GOOD):
        first, again = site.post(content, key).json(), site.post(content, key).json()
        assert first["duplicates"] == 0
        assert again == {"accepted": 0, "duplicates": first["accepted"], "rejected": []}
    assert len(stored(site)) == 7


def test_a_partly_known_body_gives_only_what_is_new(site: Any) -> None:
    key = site.key()
    site.post(numbered(10), key)
    reply = site.post(numbered(20) + b"\n{}\n" + numbered(1, 30), key).json()
    assert (reply["accepted"], reply["duplicates"], len(reply["rejected"])) == (11, 10, 1)
    assert [event.seq for event in stored(site)] == [*range(20), 30]
    assert site.counts.events["duplicates"] == 10


def test_an_event_repeated_within_a_body_counts_once(site: Any) -> None:
    reply = site.post(numbered(600) + b"\n" + numbered(2), site.key()).json()
    assert (reply["accepted"], reply["duplicates"]) == (600, 2)


def test_after_a_restart_the_log_has_the_events_and_the_engine_must_know_them_again(open_site: Any) -> None:
    with open_site() as site:
        key = site.key()
        site.post(GOOD, key)
    with open_site() as site:
        assert site.post(GOOD, key).json()["accepted"] == 1
        first, again = stored(site)
        assert first.id == again.id


def auth(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
