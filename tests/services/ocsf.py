"""What takes OCSF: it checks what the schema 1.8 requires of findings (ocsf/ocsf-schema, `events/findings`)."""

import threading
from typing import Any

import msgspec

from tests.services.front import Reply, Request, json_reply

ACTIVITIES = {1, 2, 3}
BASE = {"category_uid", "class_uid", "activity_id", "type_uid", "severity_id", "time", "metadata"}
COMMON = {"message", "start_time", "end_time", "count", "status_id", "unmapped"}
OWN = {
    2004: {"is_alert", "confidence_score", "finding_info", "evidences"},
    2005: {"desc", "verdict_id", "finding_info_list", "assignee", "assignee_group"},
}
STATUSES = {2004: {1, 2, 3, 4}, 2005: {1, 2, 3, 4, 5}}
INFO = {"uid", "title", "desc", "types", "first_seen_time", "last_seen_time", "created_time", "analytic", "attacks"}
RELATED = {"related_events", "related_events_count"}
LONGEST_UID = 255


def check(event: Any) -> str:
    """What is wrong with an event, or nothing."""
    if not isinstance(event, dict) or event.get("class_uid") not in OWN:
        return "no class of ours"
    class_ = event["class_uid"]
    if missing := BASE - event.keys():
        return f"{sorted(missing)} missing"
    if unknown := event.keys() - BASE - COMMON - OWN[class_]:
        return f"{sorted(unknown)} unknown"
    if event["category_uid"] != 2 or event["activity_id"] not in ACTIVITIES:
        return "category or activity"
    if event["type_uid"] != class_ * 100 + event["activity_id"]:
        return "type_uid is class and activity"
    if event["severity_id"] not in range(1, 6) or event.get("status_id") not in STATUSES[class_]:
        return "severity or status"
    times = [event[name] for name in ("time", "start_time", "end_time")]
    if not all(isinstance(time, int) and 1e12 < time < 1e13 for time in times):
        return "times are milliseconds"
    metadata = event["metadata"]
    if metadata.get("version") != "1.8.0" or not metadata.get("product", {}).get("name"):
        return "metadata"
    if not 0 < len(metadata["uid"]) <= LONGEST_UID:
        return f"metadata.uid has 1 to {LONGEST_UID} characters"
    if class_ == 2005 and not ("assignee" in event or "assignee_group" in event):
        return "assignee or assignee_group"
    infos = [event["finding_info"]] if class_ == 2004 else event.get("finding_info_list")
    return next((fault for info in infos if (fault := check_info(info))), "") if infos else "no finding"


def check_info(info: dict[str, Any]) -> str:
    """What is wrong with the information on a finding, or nothing."""
    if not info.get("uid") or info.keys() - INFO - RELATED:
        return "finding_info"
    if "analytic" in info and info["analytic"].get("type_id") not in {1, 2, 3, 4}:
        return "analytic.type_id"
    return ""


class SmallCollector:
    """Takes arrays of events over HTTP, each `Idempotency-Key` once."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        with self._lock:
            events = msgspec.json.decode(request.body)
            if not isinstance(events, list) or not events:
                return json_reply(400, {"error": "an array of events"})
            if faults := [fault for event in events if (fault := check(event))]:
                return json_reply(422, {"error": "; ".join(faults)})
            key = request.headers["idempotency-key"]
            if key not in self._known:
                self._known.add(key)
                self.events += events
            return json_reply(200, {"taken": len(events)})
