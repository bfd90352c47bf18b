"""What a server asks of its client (sampling, elicitation, roots), in either era, and what it says has changed."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tocsin_audit import arguments, outcome
from tocsin_audit.event import AuditEvent
from tocsin_audit.pairing import LONGEST, Answered, Pairing
from tocsin_audit.reading import key_of
from tocsin_audit.text import clean

ASKED: Final = frozenset({"sampling/createMessage", "elicitation/create", "roots/list"})
CHANGED: Final = {f"notifications/{what}/list_changed": what for what in ("tools", "prompts", "resources")}
_MOST: Final = 100
"""Questions of one message."""
_ELICITATION_REQUIRED: Final = -32042
_REFUSED: Final = -1
"""A person's no to a sampling request, as the specification's example has it."""


class Question(NamedTuple):
    """A question to the client; `key` is null where its answer comes inside of a later request."""

    method: str
    params: Mapping[str, Any]
    key: str | None
    size: int


def questions(message: Mapping[str, Any], size: int) -> Iterator[Question]:
    """The questions of a server's message: a request of its own (≤ 2025-11-25), or what an answer asks for first."""
    method = message.get("method")
    if method is not None:
        if isinstance(method, str) and method in ASKED and (key := key_of(message.get("id"))) is not None:
            yield Question(method, _dict(message.get("params")), key, size)
        return
    wanted = _dict(message.get("result")).get("inputRequests")
    listed = list(wanted.values()) if isinstance(wanted, dict) else []
    error = _dict(message.get("error"))
    if error.get("code") == _ELICITATION_REQUIRED:
        named = _dict(error.get("data")).get("elicitations")
        named = named if isinstance(named, list) else []
        listed += [{"method": "elicitation/create", "params": each} for each in named[:_MOST]]
    for each in listed[:_MOST]:
        asked = _dict(each)
        if isinstance(method := asked.get("method"), str) and method in ASKED:
            yield Question(method, _dict(asked.get("params")), None, len(msgspec.json.encode(asked)))


def describe(event: AuditEvent, question: Question) -> AuditEvent:
    """Say in an event, which names server and client, what the server asks for."""
    event.kind, event.method, event.request_bytes = "request", question.method, question.size
    event.request_id = clean(question.key, 128)
    event.target = clean(question.params.get("url"), 1024)
    event.args_keys = arguments.keys(_dict(question.params.get("requestedSchema")).get("properties"))
    event.outcome, event.reason, event.bytes_quality = "input_required", None, "absent"
    return event


def changed(message: Mapping[str, Any]) -> str | None:
    """The notification that what a server lists has changed; null where a message is none."""
    method = message.get("method")
    return method if isinstance(method, str) and method in CHANGED else None


def change(event: AuditEvent, method: str) -> AuditEvent:
    """Say in an event, which names the server, that what it lists has changed."""
    event.kind, event.method, event.outcome = "config", method, "ok"
    event.change = msgspec.Raw(msgspec.json.encode({"object": CHANGED[method], "action": "list_changed"}))
    return event


class Asking:
    """The questions that wait for the client's answer; bounded, and used by the recorder's thread alone."""

    def __init__(self) -> None:
        self._pairing: Pairing[AuditEvent] = Pairing()

    def ask(self, channel: str | None, question: Question, event: AuditEvent) -> AuditEvent | None:
        """The event of a question that needs no waiting, or was answered before it could be read."""
        if channel is None or question.key is None:
            return event
        early = self._pairing.ask(channel, question.key, event, event.time)
        return _settled(event, early) if early is not None else None

    def answer(self, channel: str, answer: Answered) -> AuditEvent | None:
        """The event of the question that a client's message answers."""
        answer = answer._replace(message=_telling(answer.message))
        event = self._pairing.answer(channel, key_of(answer.message.get("id")), answer)
        return _settled(event, answer) if isinstance(event, AuditEvent) else None

    def due(self, now: float) -> list[AuditEvent]:
        """The events of questions that nobody answered."""
        self._pairing.strays(now, LONGEST)
        return [_unanswered(event, "timeout", "no answer was seen") for event in self._pairing.overdue(now)]

    def end(self, channel: str | None, reason: str) -> list[AuditEvent]:
        """The events of what still waits on a channel that is over; of all channels without one."""
        waiting = self._pairing.close(channel) if channel is not None else self._pairing.close_all()
        return [_unanswered(event, "cancelled", reason) for event in waiting]


def _telling(message: Mapping[str, Any]) -> dict[str, Any]:
    """What of an answer says how it went; what a person or a model wrote may be long, and is kept by nobody."""
    if "error" in message:
        return {"id": message.get("id"), "error": message["error"]}
    return {"id": message.get("id"), "result": {"action": _dict(message.get("result")).get("action")}}


def _settled(event: AuditEvent, answer: Answered) -> AuditEvent:
    if answer.time >= event.time:
        event.duration_ms = round((answer.time - event.time) * 1e3, 3)
    else:  # the question was read only when its stream was over
        event.time = answer.time
    event.outcome, event.reason = outcome.classify(outcome.Answer(status=200, message=answer.message))
    action = _dict(answer.message.get("result")).get("action")
    if event.method == "elicitation/create" and action in ("decline", "cancel"):
        event.outcome, event.reason = "cancelled", "declined" if action == "decline" else "dismissed"
    error = _dict(answer.message.get("error"))
    event.error_code = code if isinstance(code := error.get("code"), int) else None
    if event.error_code == _REFUSED:
        event.outcome = "cancelled"
    event.response_bytes, event.bytes_quality = answer.size or None, "exact" if answer.size else "absent"
    return event


def _unanswered(event: AuditEvent, how: str, reason: str) -> AuditEvent:
    event.outcome, event.reason = how, reason
    return event


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
