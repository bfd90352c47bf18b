"""Senders to a Splunk HTTP event collector notice no difference, down to codes and acknowledgements."""

import gzip
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from collector.keys import revoke_key

NOW = 1_763_700_000.0
GOOD = {"time": NOW, "server": "s", "method": "m"}


@pytest.fixture
def send(site: Any) -> Callable[..., httpx.Response]:
    """Posts to the event collector with a key of its own."""
    token = site.key()

    def post(content: bytes, path: str = "/event", **headers: str) -> httpx.Response:
        said = {"authorization": f"Splunk {token}"} | {name.replace("_", "-"): text for name, text in headers.items()}
        answer: httpx.Response = site.client.post(f"{site.url}/services/collector{path}", content=content, headers=said)
        return answer

    return post


def envelope(event: Any, **more: Any) -> bytes:
    return msgspec.json.encode({"event": event, **more})


@pytest.mark.parametrize("between", [b"", b"\n", b" \r\n\n"])
def test_envelopes_stand_one_after_the_other(send: Any, stored: Any, between: bytes) -> None:
    body = between.join(envelope({**GOOD, "target": name}) for name in ("one", "two"))
    assert send(body).json() == {"text": "Success", "code": 0}
    assert [event.target for event in stored()] == ["one", "two"]


def test_a_text_event_and_a_compressed_body_are_taken(send: Any, stored: Any) -> None:
    body = gzip.compress(envelope(msgspec.json.encode(GOOD).decode()))
    assert send(body, content_encoding="gzip").status_code == 200
    assert [event.server for event in stored()] == ["s"]


def test_the_time_of_the_envelope_stands_in_for_one_that_is_missing(send: Any, stored: Any) -> None:
    assert send(envelope({"server": "s", "method": "m"}, time="1763699990.5")).status_code == 200
    assert [event.time for event in stored()] == [1763699990.5]


def test_the_same_body_again_counts_once(send: Any, stored: Any) -> None:
    body = envelope(GOOD) * 2
    assert [send(body).json()["code"] for _ in range(3)] == [0, 0, 0]
    assert len(stored()) == 2


def test_raw_lines_are_events(send: Any, stored: Any) -> None:
    line = msgspec.json.encode(GOOD)
    assert send(line + b"\r\n\n" + line + b"\n", path="/raw").json()["code"] == 0
    assert len(stored()) == 2


def test_events_before_a_wrong_envelope_are_kept_and_its_number_is_told(send: Any, stored: Any) -> None:
    answer = send(envelope(GOOD) * 2 + b'{"event": ' + envelope(GOOD))
    assert (answer.status_code, answer.json()) == (
        400,
        {"text": "Invalid data format", "code": 6, "invalid-event-number": 2},
    )
    assert len(stored()) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 5),
        (b"nonsense", 6),
        (b"[]", 6),
        (b"\xff\xfe", 6),
        (b"[" * 100_000, 6),
        (b'{"event":' * 100_000, 6),
        (b'{"time": 1}', 12),
        (b'{"event": ""}', 13),
        (b'{"event": null}', 13),
        (b'{"event": {"server": "s"}}', 6),
    ],
)
def test_what_cannot_be_used_is_answered_by_its_code(send: Any, site: Any, body: bytes, code: int) -> None:
    answer = send(body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_refused_events_beside_good_ones_are_counted_by_reason(send: Any, site: Any) -> None:
    assert send(envelope(GOOD) + envelope({"server": "s"})).json()["code"] == 0
    assert site.listener.tallies["hec"].summary() == {
        "received": 2,
        "accepted": 1,
        "duplicates": 0,
        "refused": {"missing": 1},
    }


def test_tokens_are_answered_as_senders_expect(send: Any, site: Any) -> None:
    def ask(authorization: str | None) -> tuple[int, int]:
        headers = {} if authorization is None else {"authorization": authorization}
        answer = site.client.post(f"{site.url}/services/collector/event", content=envelope(GOOD), headers=headers)
        return answer.status_code, answer.json()["code"]

    revoked = site.key()
    revoke_key(site.keys, revoked.split("_")[1], NOW)
    assert ask(None) == (401, 2)
    assert ask("Splunk wrong") == (403, 4)
    assert ask(f"Splunk {revoked}") == (403, 1)
    assert ask(f"Bearer {site.key()}") == (401, 2)


def test_an_acknowledgement_is_true_for_what_was_given_and_for_nothing_else(send: Any) -> None:
    channel = {"x_splunk_request_channel": "0aeeac95-ac74-4aa9-b30d-6c4c0ac581ba"}
    assert send(envelope(GOOD), **channel).json()["ackId"] == 0
    assert send(envelope({**GOOD, "target": "t"}), **channel).json()["ackId"] == 1
    assert send(b'{"acks": [0, 1, 2, -1]}', path="/ack", **channel).json() == {
        "acks": {"0": True, "1": True, "2": False, "-1": False}
    }
    assert send(b'{"acks": [0]}', path="/ack?channel=other").json() == {"acks": {"0": False}}
    assert send(b'{"acks": [0]}', path="/ack").json()["code"] == 10


def test_a_full_disk_is_busy_and_nothing_is_acknowledged(send: Any, site: Any) -> None:
    site.free = 0
    answer = send(envelope(GOOD), x_splunk_request_channel="c")
    assert (answer.status_code, answer.json()["code"]) == (503, 9)
    assert int(answer.headers["retry-after"]) > 0
    assert send(b'{"acks": [0]}', path="/ack?channel=c").json() == {"acks": {"0": False}}


def test_a_bomb_is_refused_by_its_size(send: Any) -> None:
    assert send(gzip.compress(b"\0" * (32 << 20)), content_encoding="gzip").status_code == 413


def test_a_format_that_does_not_exist_is_named(send: Any) -> None:
    assert "nowhere" in send(envelope(GOOD), path="/event?format=nowhere").json()["text"]


def test_an_unknown_sourcetype_is_native(send: Any) -> None:
    assert send(envelope(GOOD, sourcetype="httpevent")).status_code == 200


def test_health_is_open(site: Any) -> None:
    assert site.client.get(f"{site.url}/services/collector/health").json()["code"] == 17


def test_a_key_brings_only_what_it_may(site: Any, stored: Any) -> None:
    token = site.key(tenants=["acme"])
    headers = {"authorization": f"Splunk {token}"}
    body = envelope({**GOOD, "tenant": "globex"}) + envelope(GOOD)
    assert site.client.post(f"{site.url}/services/collector", content=body, headers=headers).status_code == 200
    assert [event.tenant for event in stored()] == ["acme"]
