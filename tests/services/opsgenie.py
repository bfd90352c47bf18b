"""A small Opsgenie: the Alert API as it is documented, where requests are acted on at once.

docs.opsgenie.com/docs/alert-api: 202 with a request id, 422 with the faults, 429 when requests come too often; an alias
is one open alert, which creating it again counts up; closing and acknowledging what is not there is taken all the same.
"""

import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from tests.services.front import Reply, Request, json_reply

API_KEY = "eb243592-faa2-4ba2-a551q-1afdf565c889"
TEXT = {"message": 130, "alias": 512, "description": 15000, "entity": 512, "source": 100}
FIELDS = {*TEXT, "priority", "tags", "details"}


@dataclass
class OpsgenieAlert:
    """What somebody sees in Opsgenie."""

    alias: str
    priority: str
    status: str = "open"
    acknowledged: bool = False
    count: int = 1
    created: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class SmallOpsgenie:
    """The alerts of one integration, oldest first; `reads` says whether its key may read."""

    def __init__(self) -> None:
        self.alerts: list[OpsgenieAlert] = []
        self.reads = True
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        with self._lock:
            if request.headers.get("authorization") != f"GenieKey {API_KEY}":
                return json_reply(401, {"message": "Could not authenticate"})
            parts = urlsplit(request.path)
            match request.method, parts.path.split("/")[1:]:
                case "POST", ["v2", "alerts"]:
                    return self._create(msgspec.json.decode(request.body))
                case "GET", ["v2", "alerts", alias] if parts.query == "identifierType=alias":
                    return self._show(unquote(alias))
                case "POST" | "PUT", ["v2", "alerts", alias, what] if parts.query == "identifierType=alias":
                    return self._change(unquote(alias), what, request.method, msgspec.json.decode(request.body))
                case _:
                    return json_reply(404, {"message": "No handler"})

    def opened(self, alias: str) -> list[OpsgenieAlert]:
        """The open alerts of an alias."""
        return [one for one in self.alerts if one.alias == alias and one.status == "open"]

    def _create(self, given: dict[str, Any]) -> Reply:
        if faults := faults_of(given):
            return json_reply(422, {"message": "Request body is not processable.", "errors": faults})
        for one in self.opened(given["alias"]):
            one.count += 1
            one.created.append(given)
            return taken()
        self.alerts.append(OpsgenieAlert(given["alias"], given["priority"], created=[given]))
        return taken()

    def _show(self, alias: str) -> Reply:
        if not self.reads:
            return json_reply(403, {"message": "You are not authorized to access this resource"})
        for one in reversed(self.alerts):
            if one.alias == alias:
                return json_reply(200, {"data": {"alias": alias, "status": one.status, "count": one.count}})
        return json_reply(404, {"message": "Alert does not exist"})

    def _change(self, alias: str, what: str, method: str, given: dict[str, Any]) -> Reply:
        known = {"acknowledge": ("POST", {"note", "source"}), "close": ("POST", {"note", "source"})}
        known["priority"] = ("PUT", {"priority"})
        if what not in known or known[what][0] != method:
            return json_reply(405, {"message": "Method not allowed"})
        if unknown := given.keys() - known[what][1]:
            return json_reply(422, {"message": "Request body is not processable.", "errors": sorted(unknown)})
        for one in self.opened(alias):
            match what:
                case "acknowledge":
                    one.acknowledged = True
                case "close":
                    one.status = "closed"
                case "priority":
                    one.priority = given["priority"]
            one.notes += [given["note"]] if "note" in given else []
        return taken()


def taken() -> Reply:
    """The answer to what will be acted on."""
    return json_reply(202, {"result": "Request will be processed", "took": 0.1, "requestId": "43a29c5c-3dbf-4fa4-9c26"})


def faults_of(given: dict[str, Any]) -> dict[str, str]:
    """What is wrong with an alert, by its fields."""
    faults = dict.fromkeys(given.keys() - FIELDS, "is unknown")
    for name, limit in TEXT.items():
        if not isinstance(given.get(name, ""), str) or len(given.get(name, "")) > limit:
            faults[name] = f"should be a text of at most {limit} characters"
    if not given.get("message"):
        faults["message"] = "Message can not be empty."
    if given.get("priority") not in ("P1", "P2", "P3", "P4", "P5"):
        faults["priority"] = "should be one of [ P1, P2, P3, P4, P5 ]"
    tags = given.get("tags", [])
    if len(tags) > 20 or not all(isinstance(tag, str) and 0 < len(tag) <= 50 for tag in tags):
        faults["tags"] = "at most 20 of 1 to 50 characters"
    if not all(isinstance(value, str) for value in given.get("details", {}).values()):
        faults["details"] = "should map text to text"
    return faults
