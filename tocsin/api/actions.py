"""Actions elsewhere and revocation by `/api/v1`: tried, done, verified, taken back; asked for and approved."""

import uuid
from functools import partial
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alerting import queries
from alerting.harmless import harmless
from alerting.incidents.record import Record
from alerting.incidents.walls import own_incident
from alerting.response import outside
from alerting.response.containment import check_action
from alerting.response.lookup import look
from alerting.response.progress import actions
from alerting.words import name
from stream.clean import clean_text
from stream.control import Performed
from stream.errors import RejectedError, TocsinError
from tocsin.access.log_in import Asker, asker_of
from tocsin.access.operators import ROLES, role_of
from tocsin.acts import carry_out
from tocsin.api.body import read_body
from tocsin.containment.containing import action_of, issuer_of
from tocsin.runtime import Runtime
from tocsin_audit.event import AuditEvent
from tocsin_audit.fingerprint import LOCAL

UNDO: Final = " (undo)"
VALUE: Final = 500
"""Characters of a value that waits for approval."""
DAY: Final = 86_400.0


class _Asked(msgspec.Struct):
    by: str = "operator"
    value: str | None = None
    dry_run: bool = False
    undo: bool = False


class _Decided(msgspec.Struct):
    by: str = "operator"
    why: str = ""
    decline: bool = False


class _Revoke(msgspec.Struct):
    issuer: str = ""
    token: str = ""
    by: str = "operator"
    dry_run: bool = False


class ActionsApi:
    """What operators have done outside of Tocsin about an incident."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def action(self, request: Request) -> Response:
        """Do an action elsewhere, or with `dry_run` show what would be sent; whoever may not asks for it."""
        said = await read_body(request, _Asked, '{"by": "you", "value": "…", "dry_run": true}')
        asker, record, name = asker_of(request), await self._record(request), request.path_params["name"]
        action = action_of(self._runtime.ready_made.loaded, name)
        _within(asker, name, may=action.tenants)
        facts = outside.facts_for(own_incident(record.incident(), asker.tenants), said.value)
        shown = self._shown(action, facts, undo=said.undo)
        by, word = clean_text(said.by, 100) or "operator", f"{name}{UNDO}" if said.undo else name
        waits = _lacks(asker, action.role)
        if said.dry_run:
            needs = action.role if waits else None
            return JSONResponse({"dry_run": True, "action": name, "request": shown, "approval": needs})
        id_ = uuid.uuid4().hex
        if waits:
            await self._tell(id_, record, word, by, "asked", _kept(said.value))
            told = {"action": word, "state": "asked", "id": id_, "result": f"waits for a {action.role}"}
            return JSONResponse({**told, "request": shown}, status_code=202)
        return JSONResponse(await self._do(id_, record, word, action, facts, by=by))

    async def asked(self, request: Request) -> Response:
        """The actions that wait for somebody's approval."""
        runtime, seen = self._runtime, asker_of(request).tenants

        def look_up() -> list[dict[str, Any]]:
            found = actions(runtime.store, state="asked")
            if seen is None:
                return found
            visible = queries.visible(runtime.store, [one["incident"] for one in found], seen)
            return [one for one in found if one["incident"] in visible]

        return JSONResponse(await run_in_threadpool(look_up))

    async def decide(self, request: Request) -> Response:
        """Have an action done that somebody else asked for, or decline it."""
        said = await read_body(request, _Decided, '{"by": "you", "why": "…"}')
        runtime, asker = self._runtime, asker_of(request)
        one = await run_in_threadpool(self._waiting, request.path_params["id"], asker)
        record = await run_in_threadpool(queries.find, runtime.store, one["incident"], asker.tenants)
        name, undo = one["action"].removesuffix(UNDO), one["action"].endswith(UNDO)
        action = action_of(runtime.ready_made.loaded, name)
        _within(asker, name, may=action.tenants)
        by, why = clean_text(said.by, 100) or "operator", harmless(said.why, 300)
        if said.decline:
            await self._tell(one["id"], record, one["action"], by, "declined", why)
            return JSONResponse({"action": one["action"], "state": "declined", "result": why})
        if _lacks(asker, action.role):
            raise RejectedError(f"approving it takes the role {action.role}", hint="ask one: `tocsin contain asked`")
        if by == one["by"]:
            raise RejectedError("another person than who asked for it approves it", hint=f"{by} asked for it")
        value = one["result"] or None
        facts = outside.facts_for(own_incident(record.incident(), asker.tenants), value)
        self._shown(action, facts, undo=undo)
        return JSONResponse(await self._do(one["id"], record, one["action"], action, facts, by=by, for_=one["by"]))

    async def revoke(self, request: Request) -> Response:
        """Revoke a token at its issuer and ask afterwards whether it still works; the token itself is kept nowhere."""
        said = await read_body(request, _Revoke, '{"issuer": "name", "token": "…", "by": "you"}')
        asker, record = asker_of(request), await self._record(request)
        issuer = issuer_of(self._runtime.ready_made.loaded, said.issuer)
        _within(asker, said.issuer, may=issuer.tenants)
        if _lacks(asker, issuer.role):
            # A token must not be kept, so that there is nothing that could wait for somebody's approval.
            raise RejectedError(f"revoking there takes the role {issuer.role}", hint="have one do it with the token")
        if said.dry_run:
            return JSONResponse(
                {"dry_run": True, "issuer": said.issuer, "revoke": issuer.revoke, "check": issuer.introspect}
            )
        if not said.token.strip():
            raise RejectedError(
                "there is no token to revoke, and Tocsin keeps none",
                hint="--token-file FILE, or - for standard input; without it, --action ends a caller's sessions, "
                "where alerting.containment.actions has one",
            )
        words = f"revoke at {said.issuer}"
        whose = await run_in_threadpool(self._whose, asker, said.token.strip())
        tell = partial(self._tell, uuid.uuid4().hex, record, words, clean_text(said.by, 100) or "operator")
        await tell("attempting", harmless(f"{issuer.revoke}{whose}", VALUE))
        told, checked = await run_in_threadpool(outside.revoke, issuer, said.token.strip())
        state = (
            "failed" if not told.worked else "done" if checked is None else "verified" if checked.worked else "failed"
        )
        result = (told.words if checked is None else f"{told.words}; {checked.words}") + whose
        await tell(state, harmless(result, VALUE))
        return JSONResponse({"action": words, "state": state, "result": result})

    def _whose(self, asker: Asker, token: str) -> str:
        """Whose token it is by its last call of a day, as the asker may see it; nothing where nobody can compare it."""
        runtime, tenants = self._runtime, asker.tenants
        prints = runtime.ready_made.enrich.prints
        if prints.key_id == LOCAL:
            return ""
        own, now = prints.every(token), runtime.clock()

        def fits(event: AuditEvent) -> bool:
            return event.token in own and (tenants is None or event.tenant in tenants)

        try:
            hits = look(runtime.log, fits, now - DAY, now, most=1, frames=5_000)
        except TocsinError:
            return ""
        if not hits.found:
            return f"; no call with it ({own[0]}) was seen in the last day: is it the right one?"
        event = hits.found[-1].event
        who = name(event.user or event.client or event.agent or "nobody named")
        return f"; it is {event.token}, last used by {who} from {name(event.source_ip or 'somewhere')}"

    async def _do(
        self,
        id_: str,
        record: Record,
        word: str,
        action: outside.Action,
        facts: dict[str, Any],
        *,
        by: str,
        for_: str = "",
    ) -> dict[str, Any]:
        """Say that it is attempted, do it, and say what came of it."""
        undo = word.endswith(UNDO)
        shown = self._shown(action, facts, undo=undo)
        asked = f", asked for by {for_}" if for_ else ""
        tell = partial(self._tell, id_, record, word, by)
        await tell("attempting", harmless(f"{shown['method']} {shown['url']}{asked}", VALUE))
        state, words = await run_in_threadpool(outside.carry_out, action, facts, undo=undo)
        await tell(state, harmless(words, VALUE))
        return {"action": word, "state": state, "result": words, "request": shown}

    def _shown(self, action: outside.Action, facts: dict[str, Any], *, undo: bool) -> dict[str, Any]:
        """What would be sent; raises RejectedError where that may not be, facts are missing, or there is no undo."""
        template = action.undo if undo else action.do
        if template is None:
            raise RejectedError("the action has no undo", hint="give it one in alerting.containment.actions")
        if not undo:
            check_action(outside.used(template, facts), self._runtime.ready_made.policies.containment)
        return outside.dry(template, facts, action.secrets)

    def _waiting(self, id_: str, asker: Asker) -> dict[str, Any]:
        found = [one for one in actions(self._runtime.store, state="asked") if id_ and one["id"].startswith(id_)]
        if asker.tenants is not None:
            seen = queries.visible(self._runtime.store, [one["incident"] for one in found], asker.tenants)
            found = [one for one in found if one["incident"] in seen]
        if len(found) != 1:
            raise RejectedError("nothing that waits begins with that, or several do", hint="see `tocsin contain asked`")
        return found[0]

    async def _record(self, request: Request) -> Record:
        seen = asker_of(request).tenants
        return await run_in_threadpool(queries.find, self._runtime.store, request.path_params["id"], seen)

    async def _tell(self, id_: str, record: Record, action: str, by: str, state: str, result: str) -> None:
        now = self._runtime.clock()
        act = Performed(id=id_, incident=record.id, action=action, state=state, by=by, at=now, result=result)
        await carry_out(self._runtime, act)


def _lacks(asker: Asker, role: str) -> bool:
    return ROLES.index(asker.role) < ROLES.index(role_of(role))


def _within(asker: Asker, name: str, *, may: bool) -> None:
    """Raises RejectedError where somebody may see some tenants only, and what is done there may reach others."""
    if asker.tenants is not None and not may:
        raise RejectedError(
            f"'{name[:40]}' may reach other tenants, too",
            hint="ask somebody who sees every tenant, or set tenants: true",
        )


def _kept(value: str | None) -> str:
    """A value as it waits for approval; raises RejectedError where it would not be the same afterwards."""
    if value is not None and clean_text(value, VALUE) != value:
        raise RejectedError(f"a value that waits has {VALUE} characters at most, none of them hidden", hint="--value …")
    return value or ""
