"""Opsgenie, and Jira Service Management which takes its place: one alert per opening of an incident, by the Alert API.

Facts of the API: docs.opsgenie.com/docs/alert-api (an `alias` is one open alert, and is counted up when it is created
again; a message holds 130 characters, a description 15,000, a tag 50; requests are answered 202 before they are acted
on) and docs.opsgenie.com/docs/api-rate-limiting (429, with the period in `X-RateLimit-Period-In-Sec`).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import quote

import httpx
import msgspec

from alerting.alert import Alert
from alerting.delivering.paging import Resolved, action_of
from alerting.delivering.posting import LONGEST_WAIT, Poster, one_by_one, taken
from alerting.harmless import harmless
from alerting.sink import DONE, PATH, Result
from alerting.wording.chat import body, headline, quiet
from alerting.wording.message import title
from stream.finding import Severity

PRIORITIES: Final[dict[Severity, str]] = {"critical": "P1", "high": "P2", "medium": "P3", "low": "P4", "notice": "P5"}
MESSAGE: Final = 130
DESCRIPTION: Final = 15_000
TAG: Final = 50
NAME: Final = 100
"""Characters of a source and of a user."""
ENTITY: Final = 512
THERE: Final = "Tocsin"


class OpsgenieOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which integration is told, and where."""

    api_key: str
    """The key of an API integration, which names the team; with read access, attempts in doubt are looked up."""
    url: str = "https://api.opsgenie.com"
    """The API's address: https://api.eu.opsgenie.com for accounts in the EU, https://api.atlassian.com/jsm/ops/integration
    for Jira Service Management."""
    tags: tuple[str, ...] = ()
    """Tags that all alerts bear besides the family and the tenant."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that the API's certificate is checked against, else the system's."""
    timeout: float = 10.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError("url must begin with https://")
        if any(not 0 < len(tag) <= TAG for tag in self.tags) or len(self.tags) > 10:
            raise ValueError(f"at most 10 tags of 1 to {TAG} characters")


class Opsgenie:
    """Alerts through Opsgenie; acknowledging and resolving here do so there.

    Creating an alias that is open again wakes nobody twice. An attempt in doubt whose alert was closed there meanwhile
    would, so that it is looked up first.
    """

    name: ClassVar[str] = "opsgenie"
    pager: ClassVar[bool] = True
    Options: ClassVar[type] = OpsgenieOptions

    def __init__(self, options: OpsgenieOptions) -> None:
        self._alerts = f"{options.url.rstrip('/')}/v2/alerts"
        self._tags = options.tags
        headers = {"authorization": f"GenieKey {options.api_key}", "content-type": "application/json"}
        self._poster = Poster(ca=options.ca, timeout=options.timeout, headers=headers)
        self._resolved = Resolved()

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Send what concerns the pager; after the first `retry` nothing more is sent, so that the order is kept."""
        return one_by_one(alerts, lambda alert: self._deliver(alert, in_doubt=alert.id in in_doubt))

    def close(self) -> None:
        """Give back connections."""
        self._poster.close()

    def _deliver(self, alert: Alert, *, in_doubt: bool) -> Result:
        key = alert.incident.dedup_key
        match action_of(alert, resolved=key in self._resolved):
            case None:
                return Result("done", "nothing for the pager")
            case "trigger":
                return self._trigger(key, alert, in_doubt=in_doubt)
            case "acknowledge":
                return self._about(key, "acknowledge", {**_from(alert), "source": THERE})
            case "resolve":
                result = self._about(key, "close", {**_from(alert), "source": THERE})
                if result.outcome == "done":
                    self._resolved.add(key)
                return result

    def _trigger(self, key: str, alert: Alert, *, in_doubt: bool) -> Result:
        repeated = False
        if in_doubt:
            answer = self._poster.send("GET", self._at(key))
            if isinstance(answer, Result) or (answer.status_code not in (403, 404) and not answer.is_success):
                return answer if isinstance(answer, Result) else result_of(answer)
            if answer.is_success and _status(answer) == "closed":
                return Result("done", "it had arrived, and was closed there")
            repeated = answer.status_code == 403
        created = self._post(self._alerts, {**created_from(alert, self._tags, repeated=repeated), "alias": key})
        if created.outcome == "done" and alert.change == "escalated":
            # Counting an open alert up leaves its priority as it was.
            raised = self._about(key, "priority", {"priority": PRIORITIES[alert.incident.severity]}, method="PUT")
            if raised.outcome != "done":
                return raised
        return Result("done", repeated=True) if repeated and created.outcome == "done" else created

    def _about(
        self, key: str, what: str, content: Mapping[str, Any], *, method: Literal["POST", "PUT"] = "POST"
    ) -> Result:
        return self._post(self._at(key, f"/{what}"), content, method=method)

    def _at(self, key: str, what: str = "") -> str:
        return f"{self._alerts}/{quote(key, safe='')}{what}?identifierType=alias"

    def _post(self, url: str, content: Mapping[str, Any], *, method: Literal["POST", "PUT"] = "POST") -> Result:
        answer = self._poster.send(method, url, content=msgspec.json.encode(content))
        return answer if isinstance(answer, Result) else result_of(answer)


def created_from(alert: Alert, tags: Sequence[str], *, repeated: bool) -> dict[str, Any]:
    """The body of an alert's creation, all of its text within the API's limits and without markup."""
    incident = alert.incident
    together = alert.change in ("bundle", "digest")
    named = [tag for tag in (*tags, incident.family, harmless(incident.tenant, TAG)) if tag]
    details = {"incident": harmless(incident.id, 80), "opening": str(incident.opening), "change": alert.change}
    runbook = {"runbook": harmless(incident.runbook, 200)} if incident.runbook else {}
    return {
        "message": headline(alert, MESSAGE) if together else quiet(title(incident))[:MESSAGE],
        "description": body(alert, DESCRIPTION, repeated=repeated),
        "priority": PRIORITIES[incident.severity],
        "entity": harmless(incident.entity.get("server") or incident.tenant, ENTITY),
        "source": THERE,
        "tags": named,
        "details": {**details, **runbook, "show": f"tocsin incident show {harmless(incident.id, 80)}"},
    }


def result_of(answer: httpx.Response) -> Result:
    """What an answer means; of one that comes too often the period says how long to wait where nothing else does."""
    result = taken(answer) or DONE
    period = answer.headers.get("x-ratelimit-period-in-sec", "")
    if result.outcome == "retry" and result.after is None and answer.status_code == 429 and period.isdecimal():
        return Result("retry", result.why, min(float(period), LONGEST_WAIT))
    return result


def _from(alert: Alert) -> dict[str, str]:
    """Who did it, in our words: users there are not ours."""
    who = harmless(alert.incident.acknowledged_by, NAME)
    return {"note": f"{alert.change} in Tocsin" + (f", taken by {who}" if who else "")}


def _status(answer: httpx.Response) -> str:
    try:
        found = msgspec.json.decode(answer.content)["data"]["status"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""
    return str(found)


SINK: Final = Opsgenie
