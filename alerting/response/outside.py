"""Actions outside of Tocsin: templated HTTP requests, and tokens revoked at their issuer with a check afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from jinja2 import StrictUndefined, TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alerting.alert import Incident
from alerting.harmless import harmless
from stream.errors import ConfigError, RejectedError
from tocsin_audit.event import rfc3339

ANSWER: Final = 64 * 1024
"""Bytes of an answer that are looked at."""
HIDDEN: Final = "(secret)"
_CALLERS: Final = ("got_in", "user", "client", "agent")


def _segment(value: object) -> str:
    """A value as one segment of a path or one part of a query: what Jinja2 makes of it keeps slashes."""
    return quote(str(value), safe="")


_ENVIRONMENT: Final = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)  # no HTML
_ENVIRONMENT.filters["urlencode"] = _segment


@dataclass(frozen=True, slots=True)
class Template:
    """One request of an action, before an incident's facts are filled in."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    expect: tuple[int, ...] = (200, 201, 202, 204)
    contains: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """What is done, how one sees that it worked, and how it is taken back; `secrets` by name, `seconds` to answer.

    `role` is who may do it, and `tenants` whether those may who see some tenants only.
    """

    do: Template
    verify: Template | None = None
    undo: Template | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = 10.0
    role: str = "responder"
    tenants: bool = False


@dataclass(frozen=True, slots=True)
class Issuer:
    """Where tokens are revoked (RFC 7009) and asked about (RFC 7662); `role` and `tenants` as an action has them."""

    revoke: str
    client_id: str
    client_secret: str = field(repr=False)
    introspect: str | None = None
    role: str = "responder"
    tenants: bool = False


class Request(NamedTuple):
    """A request as it would be sent."""

    method: str
    url: str
    headers: dict[str, str]
    body: str

    def shown(self) -> dict[str, Any]:
        """The same for people."""
        return {"method": self.method, "url": self.url, "headers": self.headers, "body": self.body}


class Outcome(NamedTuple):
    """How a request ended: whether as expected, and what the other side said."""

    worked: bool
    words: str


def check_template(template: Template) -> None:
    """Raises ConfigError where a request's templates cannot be read, or its URL is none of HTTP."""
    for text in (template.url, template.body, *template.headers.values()):
        try:
            _ENVIRONMENT.parse(text)
        except TemplateError as error:
            raise ConfigError(f"{text[:60]!r} is no template ({error})", hint="Jinja2 syntax") from error
    parts = urlsplit(template.url)
    if parts.scheme not in ("http", "https") or not parts.netloc or "{" in parts.netloc:
        raise ConfigError(
            "the address must name its host", hint="https://gateway.example/block/{{ source_ip | urlencode }}"
        )


def filled(template: Template, facts: Mapping[str, Any], secrets: Mapping[str, str]) -> Request:
    """A request with an incident's facts; raises RejectedError naming what the incident does not have.

    What strangers wrote cannot change where it goes: the host is fixed, and line ends end no header.
    """
    have = {**facts, "secret": dict(secrets)}

    def fill(text: str) -> str:
        try:
            return _ENVIRONMENT.from_string(text).render(have)
        except TemplateError as error:
            raise RejectedError(
                f"the request cannot be filled in ({error})", hint="give it with --value, or change the action"
            ) from error

    url = fill(template.url)
    parts = urlsplit(url)
    climbs = any(segment in (".", "..") for segment in parts.path.split("/"))
    if parts[:2] != urlsplit(template.url)[:2] or climbs or any(ord(each) < 33 for each in url):
        raise RejectedError("a value of the incident would change where the request goes", hint="use | urlencode")
    headers = {name: fill(text) for name, text in template.headers.items()}
    if any(ord(each) < 32 for value in headers.values() for each in value):
        raise RejectedError("a value of the incident would end a header", hint="use | urlencode")
    return Request(template.method, url, headers, fill(template.body))


def dry(template: Template, facts: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    """What would be sent, with secrets left out."""
    return filled(template, facts, dict.fromkeys(secrets, HIDDEN)).shown()


def used(template: Template, facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts that a request speaks of, as text."""
    names: set[str] = set()
    for text in (template.url, template.body, *template.headers.values()):
        names |= meta.find_undeclared_variables(_ENVIRONMENT.parse(text))
    return {name: str(facts[name]) for name in sorted(names) if name in facts}


def send(template: Template, facts: Mapping[str, Any], action: Action) -> Outcome:
    """Send one request of an action; never raises for what the other side does. Redirects are not followed."""
    request = filled(template, facts, action.secrets)
    try:
        with httpx.Client(timeout=action.seconds, follow_redirects=False) as client:
            answer = client.request(
                request.method, request.url, headers=request.headers, content=request.body.encode() or None
            )
    except httpx.HTTPError as error:
        return Outcome(False, _hidden(f"no answer ({type(error).__name__}: {error})", action.secrets))
    text = answer.text[:ANSWER]
    worked = answer.status_code in template.expect and template.contains in text
    return Outcome(worked, _hidden(f"HTTP {answer.status_code}: {text[:200]}", action.secrets))


def carry_out(action: Action, facts: Mapping[str, Any], *, undo: bool) -> tuple[str, str]:
    """Do an action, or take it back, and verify what was done: `verified`, `done`, `undone` or `failed`, and in words.

    Raises RejectedError where the incident's facts are not enough for it, or nothing takes it back.
    """
    template = action.undo if undo else action.do
    if template is None:
        raise RejectedError("the action has no undo", hint="give it one in alerting.containment.actions")
    told = send(template, facts, action)
    if not told.worked or undo or action.verify is None:
        return ("failed" if not told.worked else "undone" if undo else "done"), told.words
    checked = send(action.verify, facts, action)
    return ("verified", checked.words) if checked.worked else ("failed", f"done, but not verified: {checked.words}")


def revoke(issuer: Issuer, token: str, seconds: float = 10.0) -> tuple[Outcome, Outcome | None]:
    """Revoke a token (RFC 7009), then ask whether it still works (RFC 7662); the token is in no answer.

    The second is None where the issuer has nothing that can be asked, or did not revoke it: then only a refused call
    shows that it worked. A check that fails for itself says so, and leaves standing that the token was revoked.
    """
    secrets = {"token": token, "client_secret": issuer.client_secret}
    identity = (issuer.client_id, issuer.client_secret)
    with httpx.Client(timeout=seconds, follow_redirects=False, auth=identity) as client:
        told = _asked(client, issuer.revoke, token, secrets)
        if isinstance(told, httpx.Response):
            told = Outcome(
                told.status_code == 200, _hidden(f"HTTP {told.status_code}: {told.text[:200]}".rstrip(": "), secrets)
            )
        if issuer.introspect is None or not told.worked:
            return told, None
        checked = _asked(client, issuer.introspect, token, secrets)
    if isinstance(checked, Outcome):
        return told, checked
    try:
        active = msgspec.json.decode(checked.content)["active"] if checked.status_code == 200 else None
    except (msgspec.DecodeError, KeyError, TypeError):
        active = None
    if active is False:
        return told, Outcome(True, "it is no longer active")
    said = "active" if active is True else "no word of whether it is active"
    return told, Outcome(False, f"HTTP {checked.status_code}: {said}")


def _asked(client: httpx.Client, url: str, token: str, secrets: Mapping[str, str]) -> httpx.Response | Outcome:
    try:
        return client.post(url, data={"token": token})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Outcome(False, _hidden(f"no answer ({type(error).__name__}: {error})", secrets))


def facts_for(incident: Incident, value: str | None = None) -> dict[str, Any]:
    """What a request may speak of: the incident's exact values by field, and what the operator gave as `value`.

    Of what was seen several times, nothing is taken: of a hundred accounts that were tried, none is the one to cut off.
    `issuer` and `subject` are the two halves of whoever got in, else of the caller that the incident names.
    """
    sure = {name: seen[0] for name, seen in incident.facts.items() if len(seen) == 1}
    known: dict[str, Any] = {**sure, **incident.entity}
    if incident.tenant:
        known["tenant"] = incident.tenant
    who = value if value is not None else next((known[key] for key in _CALLERS if key in known), "")
    issuer, bar, subject = who.partition("|")
    return {
        **known,
        **({"issuer": issuer, "subject": subject} if bar else {"subject": who} if who else {}),
        **({"value": value} if value is not None else {}),
        "incident": incident.id,
        "short": incident.id[:12],
        "severity": incident.severity,
        "title": harmless(incident.title, 200),
        "classes": list(incident.classes),
        "opened": rfc3339(incident.opened),
    }


def _hidden(text: str, secrets: Mapping[str, str]) -> str:
    for secret in secrets.values():
        if secret:
            text = text.replace(secret, HIDDEN)
    return harmless(text, 300)
