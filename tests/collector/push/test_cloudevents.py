"""CloudEvents are taken in every mode of their HTTP binding, and what is wrong with one is told by attribute."""

import base64
from typing import Any

import httpx
import msgspec
import pytest

NOW = 1_763_700_000.0
GOOD = {"time": NOW, "server": "s", "method": "m"}
ENVELOPE = {"specversion": "1.0", "id": "1", "source": "/gateway", "type": "mcp.audit", "time": "2025-11-21T04:39:50Z"}


@pytest.fixture
def send(site: Any) -> Any:
    """Posts CloudEvents with a key of its own."""
    key = site.key()

    def post(content: Any, content_type: str, query: str = "", **headers: str) -> httpx.Response:
        said = {"authorization": f"Bearer {key}", "content-type": content_type}
        said |= {name.replace("_", "-"): text for name, text in headers.items()}
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        answer: httpx.Response = site.client.post(f"{site.url}/v1/cloudevents{query}", content=body, headers=said)
        return answer

    return post


BINARY = {"ce_specversion": "1.0", "ce_id": "7", "ce_source": "/gateway", "ce_type": "mcp.audit"}


def test_binary_mode(send: Any, stored: Any) -> None:
    assert send(GOOD, "application/json", **BINARY).json()["accepted"] == 1
    assert [(event.server, event.id) for event in stored()] == [("s", "/gateway|7")]


def test_structured_mode_lends_its_time_and_its_id(send: Any, stored: Any) -> None:
    sent = send({**ENVELOPE, "data": {"server": "s", "method": "m"}}, "application/cloudevents+json; charset=utf-8")
    assert sent.json()["accepted"] == 1
    assert [(event.time, event.id) for event in stored()] == [(1763699990.0, "/gateway|1")]


def test_batched_mode_takes_the_good_and_names_the_others(send: Any, stored: Any) -> None:
    batch = [
        {**ENVELOPE, "data": GOOD},
        {**ENVELOPE, "id": "2", "data_base64": base64.b64encode(msgspec.json.encode(GOOD)).decode()},
        {**ENVELOPE, "id": "3", "data": msgspec.json.encode(GOOD).decode()},
        {"specversion": "1.0", "source": "/gateway", "type": "t", "data": GOOD},
        {**ENVELOPE, "specversion": "9", "data": GOOD},
        {**ENVELOPE, "id": "4"},
        {**ENVELOPE, "id": "5", "data": "no audit event"},
    ]
    answer = send(batch, "application/cloudevents-batch+json")
    assert (answer.status_code, answer.json()["accepted"]) == (200, 3)
    assert [(each["line"], each["field"]) for each in answer.json()["rejected"]] == [
        (4, "id"),
        (5, "specversion"),
        (6, "data"),
        (7, None),
    ]
    assert len(stored()) == 3


def test_the_same_event_again_counts_once(send: Any, stored: Any) -> None:
    for _ in range(2):
        assert send({**ENVELOPE, "data": GOOD}, "application/cloudevents+json").status_code == 200
    assert len(stored()) == 1


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "application/cloudevents+json", 400),
        (b"{" * 50_000, "application/cloudevents+json", 400),
        (b"\xff", "application/cloudevents-batch+json", 400),
        (b"[" * 50_000, "application/cloudevents-batch+json", 400),
        (b"x", "text/csv", 415),
        (b"{}", "application/json", 400),
        (msgspec.json.encode({**ENVELOPE, "data": "x" * 300_000}), "application/cloudevents+json", 400),
    ],
)
def test_what_is_none_is_refused(send: Any, content: bytes, content_type: str, status: int) -> None:
    answer = send(content, content_type)
    assert answer.status_code == status
    assert answer.json()["hint"]


def test_data_nested_deeply_are_refused_by_reason(send: Any, site: Any) -> None:
    content = msgspec.json.encode(ENVELOPE)[:-1] + b',"data":{"ext":' + b"[" * 600 + b"]" * 600 + b"}}"
    answer = send(content, "application/cloudevents+json")
    assert answer.status_code == 400
    assert site.listener.tallies["cloudevents"].summary()["refused"] == {"too_deep": 1}
