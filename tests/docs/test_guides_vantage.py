"""The guides of the vantage points do what they say."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from mcp.client.client import Client as SdkClient

from tests.audit.serving import serving, until
from tests.docs.blocks import blocks
from tests.house import ROOT

GUIDES = ROOT / "docs" / "guides"


@pytest.fixture(autouse=True)
def guide_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOCSIN_FINGERPRINT_KEY", "k1:the-fleets-own-secret")
    monkeypatch.setenv("TOCSIN_SPOOL", str(tmp_path / "spool"))


def run_python(guide: str, told: Path) -> dict[str, Any]:
    (code,) = blocks(GUIDES / f"{guide}.md", "python")
    # The one thing that a test does otherwise: events go to a file.
    code, count = re.subn(r"(AuditMiddleware\((?!.*import)[^\n]*)\)$", rf"\1, path={str(told)!r})", code, flags=re.M)
    assert count == 1
    space: dict[str, Any] = {"__name__": "guide"}
    exec(compile(code, f"{guide}.md", "exec"), space)
    return space


def told_calls(told: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in told.read_bytes().splitlines()]
    return [event for event in events if event.get("method") == "tools/call" or event["kind"] == "permission"]


def test_the_fastmcp_guide(tmp_path: Path) -> None:
    told = tmp_path / "events.ndjson"
    space = run_python("fastmcp", told)

    async def use() -> None:
        async with Client(space["mcp"]) as client:
            await client.call_tool("rows", {"count": 3})
            await client.call_tool("promote", {"user": "bob"})

    asyncio.run(use())
    space["audit"].stop()
    permission, rows = sorted(told_calls(told), key=lambda event: str(event["kind"]))[:2]
    assert (rows["target"], rows["rows"]) == ("rows", 3)
    assert permission["change"] == {"object": "billing", "action": "grant", "grantee": "bob", "after": "admin"}


def test_the_asgi_guide(tmp_path: Path) -> None:
    told = tmp_path / "events.ndjson"
    space = run_python("asgi", told)

    async def use(url: str) -> None:
        async with SdkClient(f"{url}/mcp") as client:
            await client.call_tool("rows", {"count": 3})

    with serving(space["app"]) as url:
        asyncio.run(use(url))
    until(lambda: bool(told_calls(told)))
    (rows,) = told_calls(told)
    assert (rows["target"], rows["rows"], rows["server"]) == ("rows", 3, "billing")
