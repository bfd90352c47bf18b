"""The configuration's part about response: whom to refuse, what was approved beforehand, and actions elsewhere."""

from typing import Literal

from pydantic import ConfigDict, Field

from tocsin.config.base import Secret, Section

LENGTH = r"^\d{1,6}(\.\d{1,3})?[smhdw]$"


class Approval(Section):
    """Containment that needs nobody's word any more."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)

    classes: tuple[str, ...] = Field(alias="class", min_length=1, description="classes of findings")
    deny: tuple[Literal["token", "source_ip", "user", "client", "agent"], ...] = Field(
        ("token", "source_ip"),
        min_length=1,
        description="the first of these that is known for sure is refused; user, client and agent where verified",
    )
    length: str = Field("1h", alias="for", pattern=LENGTH, description="for how long: 30m, 1h")
    most: int = Field(3, ge=1, le=1000, description="at most so many at a time; beyond them a person decides")
    dry_run: bool = Field(False, description="only write into the timeline what would have been done")
    actions: tuple[str, ...] = Field(
        (), description="actions elsewhere for whoever is refused, within the same limits; taken back when that ends"
    )


class Request(Section):
    """One HTTP request; url, headers and body are Jinja2 templates with the incident's facts and `value`, `secret`."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field("POST", description="HTTP method")
    url: str = Field(description="where to; values of the incident are quoted for URLs with the filter urlencode")
    headers: dict[str, str] = Field({}, description="headers")
    body: str = Field("", description="the body; the filter tojson quotes values for JSON")
    expect: tuple[int, ...] = Field((200, 201, 202, 204), description="statuses that mean that it worked")
    contains: str = Field("", description="text that the answer must have")


class Action(Section):
    """Something outside of Tocsin that is done over HTTP: a gateway, a ticket, an identity provider."""

    do: Request = Field(description="the request that does it")
    verify: Request | None = Field(None, description="a request that shows that it worked")
    undo: Request | None = Field(None, description="the request that takes it back")
    secrets: dict[str, Secret] = Field({}, description="secrets by name, in templates as secret.NAME")
    seconds: float = Field(10.0, gt=0, le=60, description="how long the other side may take")
    role: Literal["responder", "administrator"] = Field(
        "responder", description="who may do it; whoever may not asks for it, and another person approves"
    )
    tenants: bool = Field(False, description="whether responders of some tenants may, for incidents of theirs")


class Issuer(Section):
    """An issuer of tokens that can revoke them (RFC 7009)."""

    revoke: str = Field(description="its revocation endpoint")
    introspect: str | None = Field(None, description="its introspection endpoint (RFC 7662), asked afterwards")
    client_id: str = Field(description="the client that may revoke")
    client_secret: Secret = Field(description="its secret, by reference")
    role: Literal["responder", "administrator"] = Field("responder", description="who may revoke there")
    tenants: bool = Field(False, description="whether responders of some tenants may, for incidents of theirs")


class Containment(Section):
    """Refusing callers at middleware and proxies, and acting elsewhere."""

    never: tuple[str, ...] = Field(
        (),
        description="never refused, nor cut off elsewhere: user=https://idp.example|ceo, client=etl-*, tenant=acme",
    )
    never_networks: tuple[str, ...] = Field((), description="sources that are never refused, such as 10.0.0.0/8")
    most: int = Field(50, ge=1, le=1000, description="denials that hold at a time")
    longest: str = Field("7d", pattern=LENGTH, description="how long one may last")
    automatic: tuple[Approval, ...] = Field((), description="what is done without asking anybody")
    actions: dict[str, Action] = Field({}, description="actions elsewhere, by a name of your choice")
    issuers: dict[str, Issuer] = Field({}, description="issuers that can revoke tokens, by a name of your choice")
