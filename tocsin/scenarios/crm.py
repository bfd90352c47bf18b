"""The demo's MCP server: a CRM of several tenants on FastMCP with real token checks, and a token endpoint beside it."""

import argparse
import secrets
import time
from typing import Annotated, Any, Final

import jwt
import uvicorn
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.dependencies import get_access_token
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tocsin.scenarios.company import AUDIENCE, ISSUER, PEOPLE, SERVER, SHORT_LIVED
from tocsin_audit import AuditMiddleware
from tocsin_audit.event import AuditEvent

LIFE: Final = 900
"""Seconds that an ordinary token lives."""

PASSWORDS: Final = {person.name: person.password for person in PEOPLE}
TENANT_OF: Final = {person.name: person.tenant for person in PEOPLE}


def rows_of(tenant: str, table: str, first: int, count: int) -> list[dict[str, Any]]:
    """So many made-up rows of a tenant's table; each says whose it is."""
    return [
        {
            "id": f"{table}-{number}",
            "tenant_id": tenant,
            "name": f"{tenant} {table} {number}",
            "total": number * 7 % 900,
        }
        for number in range(first, first + count)
    ]


def crm(secret: str) -> FastMCP[Any]:
    """The MCP server; `secret` signs the tokens that it accepts."""
    server: FastMCP[Any] = FastMCP(
        SERVER, auth=JWTVerifier(public_key=secret, algorithm="HS256", issuer=ISSUER, audience=AUDIENCE)
    )
    reports: dict[str, list[dict[str, Any]]] = {}

    @server.tool
    def list_customers(page: Annotated[int, Field(ge=0)]) -> dict[str, Any]:
        """One page of the caller's customers."""
        return {"rows": rows_of(_tenant(), "customer", page * 25, 25)}

    @server.tool
    def get_customer(number: int) -> dict[str, Any]:
        """One customer of the caller."""
        if number >= 1_000:
            raise ToolError(f"there is no customer {number}")
        return {"rows": rows_of(_tenant(), "customer", number, 1)}

    @server.tool
    def search_orders(text: str) -> dict[str, Any]:
        """The caller's orders that mention something."""
        return {"rows": rows_of(_tenant(), "order", len(text), len(text) % 7 + 1)}

    @server.tool
    def export_orders(page: int, size: Annotated[int, Field(le=5_000)]) -> dict[str, Any]:
        """A page of the caller's order book."""
        return {"rows": rows_of(_tenant(), "order", page * size, size)}

    @server.tool
    def monthly_report(month: str) -> dict[str, Any]:
        """The caller's sales of a month; worked out once and kept."""
        if month not in reports:  # the bug: the key lacks the tenant
            reports[month] = rows_of(_tenant(), "sale", 0, 40)
        return {"rows": reports[month]}

    @server.resource("crm://{tenant}/customers/{number}")
    def customer(tenant: str, number: str) -> dict[str, Any]:
        """One customer as a resource."""
        if tenant != _tenant():
            raise ToolError("not yours")
        return rows_of(tenant, "customer", int(number), 1)[0]

    return server


def _tenant() -> str:
    token = get_access_token()
    if token is None:
        raise ToolError("no caller")
    return str(token.claims["org_id"])


class TokenEndpoint:
    """Answers the password grant, and says of every attempt what came of it."""

    def __init__(self, secret: str, audit: AuditMiddleware) -> None:
        self._secret = secret
        self._audit = audit

    async def answer(self, request: Request) -> Response:
        """One attempt to log in."""
        form = await request.form()
        name, client = str(form.get("username", "")), str(form.get("client_id", ""))
        good = secrets.compare_digest(PASSWORDS.get(name, "").encode(), str(form.get("password", "")).encode())
        tenant = TENANT_OF.get(name)
        forwarded = request.headers.get("x-forwarded-for", "")
        self._audit.record(
            AuditEvent(
                time=0,
                server="",
                kind="auth",
                method="token",
                outcome="ok" if good and tenant else "auth_invalid",
                reason=None if good else "invalid user name or password",
                auth="valid" if good else "invalid",
                identity="verified" if good else "claimed",
                user=f"{ISSUER}|{name}" if name else None,
                client=client or None,
                tenant=tenant,
                source_ip=forwarded.split(",")[-1].strip() or None,
                ip_trust="trusted_xff",
            )
        )
        if not good or tenant is None:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        life = SHORT_LIVED[1] if client == SHORT_LIVED[0] else LIFE
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": name,
            "aud": AUDIENCE,
            "org_id": tenant,
            "client_id": client,
            "iat": now,
            "exp": now + life,
            "jti": secrets.token_hex(8),
        }
        token = jwt.encode(claims, self._secret, algorithm="HS256")
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": life})


def main() -> None:
    """Serve until told to stop; TOCSIN_URL and TOCSIN_KEY say where audit events go."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    port = arguments.parse_args().port
    secret = secrets.token_hex(32)
    server = crm(secret)
    audit = AuditMiddleware(server, tenant_claim="org_id", trusted_proxies=("127.0.0.1",))
    app = server.http_app(path="/mcp")
    app.add_route("/token", TokenEndpoint(secret, audit).answer, methods=["POST"])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
