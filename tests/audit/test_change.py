"""Changes of permissions and of configuration, told by the server itself."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, FastMCP
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

from tests.audit.conftest import Written
from tests.audit.serving import serving
from tocsin_audit import AuditEvent, AuditMiddleware

TOKEN = "token-of-alice-0123456789"
CLAIMS = {"client_id": "desktop", "sub": "alice", "iss": "i", "org_id": "acme", "scopes": []}


def change_of(event: AuditEvent) -> Any:
    return json.loads(bytes(event.change))


def test_a_change_says_what_to_whom_and_how(written: Written) -> None:
    audit = written.audit(FastMCP("crm"))
    audit.permission("crm", "grant", "role:support", before=None, after=["read"], user="i|root", approval="CAB-7")
    audit.config("limits", before={"rows": 100}, after={"rows": 10_000}, tenant="acme")
    permission, config = (event for event in written.all() if event.kind in ("permission", "config"))
    assert (permission.kind, permission.server, permission.target) == ("permission", "crm", "crm")
    assert (permission.user, permission.approval, permission.outcome) == ("i|root", "CAB-7", "ok")
    assert change_of(permission) == {
        "object": "crm",
        "action": "grant",
        "grantee": "role:support",
        "after": ["read"],
    }
    assert (config.kind, config.tenant) == ("config", "acme")
    assert change_of(config)["before"] == {"rows": 100}


def test_inside_a_call_the_verified_caller_is_the_one_who_changes(written: Written) -> None:
    mcp: FastMCP = FastMCP("crm", auth=StaticTokenVerifier({TOKEN: CLAIMS}))
    audit = written.audit(mcp)

    @mcp.tool
    def promote(who: str) -> str:
        audit.permission("crm", "grant", who, after="admin")
        return "done"

    async def use(url: str) -> None:
        async with Client(f"{url}/mcp", auth=TOKEN) as client:
            await client.call_tool("promote", {"who": "bob"})

    with serving(mcp.http_app()) as url:
        asyncio.run(use(url))
    (event,) = (event for event in written.all() if event.kind == "permission")
    assert (event.user, event.client, event.tenant, event.identity) == ("i|alice", "desktop", "acme", "verified")
    assert written.event("tools/call").outcome == "ok"


@pytest.mark.parametrize("value", [object(), float("nan"), {"x" * 9000: 1}, [[]] * 3000, "\x1b[31mred‮"])
def test_any_value_is_told_and_bounded(written: Written, value: Any) -> None:
    written.audit(FastMCP("crm")).config("x", after=value)
    (event,) = (event for event in written.all() if event.kind == "config")
    assert len(bytes(event.change)) < 5000
    assert b"\x1b" not in bytes(event.change)


def test_a_field_that_a_change_does_not_have_is_our_trouble_not_the_servers(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    written.audit(FastMCP("crm")).config("x", usr="alice")
    assert [event for event in written.all() if event.kind == "config"] == []
    assert any("a change has no usr" in str(record.exc_info) for record in caplog.records)


def test_without_a_collector_a_change_goes_nowhere(tmp_path: Path) -> None:
    AuditMiddleware(FastMCP("crm")).permission("x", "grant", "y")
    assert list(tmp_path.iterdir()) == []
