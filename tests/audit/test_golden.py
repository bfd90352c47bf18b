"""Exchanges as servers of several makes really have them, and the event that each must become."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.audit.conftest import Written

SAMPLES = [
    pytest.param(sample, id=f"{path.stem}: {sample['name']}")
    for path in sorted((Path(__file__).parent / "golden").glob("*.json"))
    for sample in json.loads(path.read_text())
]


@pytest.mark.parametrize("piece", [7, 1_000_000])
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_becomes_its_event(written: Written, sample: dict[str, Any], piece: int) -> None:
    answer = sample["response"]

    async def replaying(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(name.encode(), value.encode()) for name, value in answer["headers"].items()]
        await send({"type": "http.response.start", "status": answer["status"], "headers": headers})
        body = answer["body"].encode()
        for at in range(0, len(body), piece):
            await send({"type": "http.response.body", "body": body[at : at + piece], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    requests = [{"type": "http.request", "body": json.dumps(sample["request"]["body"]).encode(), "more_body": False}]

    async def receive() -> Any:
        return requests.pop(0)

    async def send(message: Any) -> None:
        pass

    headers = [(name.lower().encode(), value.encode()) for name, value in sample["request"]["headers"].items()]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers, "client": ("192.0.2.7", 1234)}
    asyncio.run(written.audit(replaying, server="crm")(scope, receive, send))
    event = written.event()
    assert {name: _plain(getattr(event, name)) for name in sample["event"]} == sample["event"]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
