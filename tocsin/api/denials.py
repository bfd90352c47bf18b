"""Whom to refuse, by `/api/v1`: made, tried, listed and lifted."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alerting import queries
from alerting.harmless import harmless
from alerting.incidents.life import ACTS
from alerting.incidents.record import Record
from alerting.response.automatic import verified
from alerting.response.containment import check
from alerting.response.denial_list import denials, the_denial
from alerting.response.evidence import findings_of, touches
from alerting.response.lookup import look, named
from alerting.response.scope import covers, last_accepted
from stream.clean import clean_text
from stream.control import Deny, IncidentChange, Lift
from stream.errors import NotThereError, RejectedError, TocsinError
from stream.facts import Facts
from tocsin.access.log_in import asker_of
from tocsin.acts import carry_out
from tocsin.api.body import read_body
from tocsin.containment.tenants import MOST, may_lift, nobody_elses, own_denials, own_subject
from tocsin.moments import duration, moment
from tocsin.runtime import Runtime
from tocsin_audit.event import AuditEvent, rfc3339

BACK: Final = 24 * 3600.0
"""Seconds of the past in which a dry run looks for calls that would have been refused."""
_HINT: Final = '{"subject": {"source_ip": "203.0.113.9"}, "for": "4h", "by": "you"}'


class _Wanted(msgspec.Struct):
    subject: dict[str, str] = {}
    length: str = msgspec.field(default="4h", name="for")
    by: str = "operator"
    why: str = ""
    force: bool = False
    dry_run: bool = False


class _Ended(msgspec.Struct):
    by: str = "operator"
    why: str = ""


class DenialsApi:
    """What operators ask and do about refusing callers."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def deny(self, request: Request) -> Response:
        """Refuse a subject for an incident; with `dry_run` only say whether that may be, and whom it would have hit."""
        runtime = self._runtime
        said = await read_body(request, _Wanted, _HINT)
        seen = asker_of(request).tenants
        record = await run_in_threadpool(queries.find, runtime.store, request.path_params["id"], seen)
        if seen is not None:
            said = msgspec.structs.replace(said, subject=await run_in_threadpool(self._own, said.subject, record))
        act = await run_in_threadpool(self._act, said, record)
        if act.forced and not act.why:
            raise RejectedError("forcing takes a reason", hint='-m "why it must be all the same"')
        held = await run_in_threadpool(denials, runtime.store, act.at)
        check(act, runtime.ready_made.policies.containment, tenant=record.tenant, standing=len(held))
        if said.dry_run:
            return JSONResponse(await run_in_threadpool(self._tried, act, seen))
        await carry_out(runtime, act)
        if record.status in ACTS["contain"].from_:
            note = f"denial {act.id[:12]}"
            contained = IncidentChange(incident=record.id, act="contain", by=act.by, at=runtime.clock(), note=note)
            await carry_out(runtime, contained)
        made = await run_in_threadpool(the_denial, runtime.store, act.at, act.id)
        return JSONResponse(self._seen([made], seen)[0], status_code=201)

    async def list_(self, request: Request) -> Response:
        """The denials that hold, or all with `state=all`; with `stopped` when each subject was last accepted."""
        asked = request.query_params
        runtime, now, seen = self._runtime, self._runtime.clock(), asker_of(request).tenants

        def look_up() -> list[dict[str, Any]]:
            incident = queries.find(runtime.store, asked["incident"], seen).id if "incident" in asked else None
            found = self._seen(denials(runtime.store, now, incident=incident, all_=asked.get("state") == "all"), seen)
            return [{**one, **self._stopped(one, now, seen)} for one in found] if "stopped" in asked else found

        return JSONResponse(await run_in_threadpool(look_up))

    async def show(self, request: Request) -> Response:
        """One denial, who obeys it, and when a call of its subject was last accepted."""
        now, seen = self._runtime.clock(), asker_of(request).tenants

        def look_up() -> dict[str, Any]:
            found = self._one(request.path_params["id"], now, seen)
            return {**found, **self._stopped(found, now, seen)}

        return JSONResponse(await run_in_threadpool(look_up))

    async def lift(self, request: Request) -> Response:
        """End one before its time."""
        said = await read_body(request, _Ended, '{"by": "you"}')
        runtime, now, seen = self._runtime, self._runtime.clock(), asker_of(request).tenants
        found = await run_in_threadpool(self._one, request.path_params["id"], now, seen)
        if seen is not None and not may_lift(found, seen):
            raise RejectedError("it is not for your tenants alone", hint="ask whoever made it: see `by`")
        by = clean_text(said.by, 100) or "operator"
        await carry_out(runtime, Lift(id=found["id"], by=by, at=now, why=harmless(said.why, 500)))
        return JSONResponse(await run_in_threadpool(self._one, found["id"], now, seen))

    def _own(self, subject: dict[str, str], record: Record) -> dict[str, str]:
        """A subject bound to the incident's tenant; raises RejectedError where that would reach others, too."""
        runtime, now, tenant = self._runtime, self._runtime.clock(), record.tenant
        assert tenant is not None, "incidents without a tenant are not found"
        directory = runtime.directory.directory
        bound, shown = own_subject(subject, tenant, directory)
        held = [one for one in denials(runtime.store, now) if one["subject"].get("tenant") == tenant]
        if len(held) >= MOST:
            raise RejectedError(f"{len(held)} denials hold for {tenant}", hint="lift some: `tocsin contain list`")
        if shown and not nobody_elses(runtime.log, bound, tenant, Facts(directory).tenant, now):
            raise RejectedError(
                "not only callers of your tenant were seen with that in the last day",
                hint="refuse it at one of your own servers, or ask somebody who sees every tenant",
            )
        return bound

    def _one(self, id_: str, now: float, seen: frozenset[str] | None) -> dict[str, Any]:
        """The one denial whose id begins so, as it may be seen; raises NotThereError where there is none."""
        found = self._seen([the_denial(self._runtime.store, now, id_)], seen)
        if not found:
            raise NotThereError("no denial begins with that, or several do", hint="see `tocsin contain list --all`")
        return found[0]

    def _seen(self, found: list[dict[str, Any]], seen: frozenset[str] | None) -> list[dict[str, Any]]:
        if seen is None:
            return found
        visible = queries.visible(self._runtime.store, [one["incident"] for one in found], seen)
        return own_denials(found, visible.__contains__)

    def _act(self, said: _Wanted, record: Record) -> Deny:
        now = self._runtime.clock()
        length = duration(said.length)
        return Deny(
            id=uuid.uuid4().hex,
            subject=tuple(sorted(said.subject.items())),
            until=now + length if length is not None else moment(said.length, now),
            incident=record.id,
            by=clean_text(said.by, 100) or "operator",
            at=now,
            why=harmless(said.why, 500),
            identity=self._identity(said.subject, record),
            forced=said.force,
        )

    def _identity(self, subject: dict[str, str], record: Record) -> str:
        """How the incident's own events name the subject; unknown where the log does not have them any more."""
        try:
            found = named(self._runtime.log, findings_of(self._runtime.store, record.id))
        except TocsinError:
            return ""
        whom = {key: value for key, value in subject.items() if key != "tenant"} or subject
        return verified([one.event for one in found], whom)

    def _tried(self, act: Deny, seen: frozenset[str] | None) -> dict[str, Any]:
        """Whom a denial would have hit in the last day."""
        mine = self._of(act.subject, seen)

        def hit(event: AuditEvent) -> bool:
            return event.outcome == "ok" and mine(event)

        hits = look(self._runtime.log, hit, act.at - BACK, act.at, most=10_000, frames=5_000)
        callers = sorted({event.user or event.client or event.agent or "unknown" for event, *_ in hits.found})
        return {
            "dry_run": True,
            "subject": dict(act.subject),
            "until": rfc3339(act.until),
            "identity": act.identity,
            "accepted_calls_24h": len(hits.found),
            "callers_24h": callers[:20],
            "complete": not hits.cut,
        }

    def _of(self, subject: Sequence[tuple[str, str]], seen: frozenset[str] | None) -> Callable[[AuditEvent], bool]:
        """Tells the events of a subject; with `seen` of those tenants' callers alone, by the directory's word."""
        if seen is None:
            return lambda event: covers(subject, event)
        tenant_of = Facts(self._runtime.directory.directory).tenant
        named = tuple((key, value) for key, value in subject if key != "tenant")
        return lambda event: tenant_of(event) in seen and (not named or touches(event, named))

    def _stopped(self, denial: dict[str, Any], now: float, seen: frozenset[str] | None) -> dict[str, Any]:
        since = moment(denial["at"], now)
        last = last_accepted(self._runtime.log, self._of(tuple(denial["subject"].items()), seen), since, now)
        return {"last_accepted": rfc3339(last) if last is not None else None}
