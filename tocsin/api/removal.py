"""Retention, legal holds and erasure over `/api/v1`: for administrators who may see every tenant."""

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, Final, Protocol

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from alerting import queries
from alerting.database.store import Store
from alerting.erasure import Person
from alerting.incidents.family import PRINCIPAL
from alerting.response.evidence import findings_of
from stream.clean import clean_text
from stream.errors import RejectedError, TocsinError
from tocsin.access.log_in import asker_of
from tocsin.api.body import read_body
from tocsin.api.guarded import guarded
from tocsin.moments import duration, moment
from tocsin.removal.holds import EVENTS, Hold
from tocsin.removal.keeping import Step
from tocsin.removal.removing import AtWork
from tocsin.setup import Ready
from tocsin_audit.event import rfc3339

BEFORE: Final = 3_600.0
"""Seconds before an incident's first finding from which on the events of whom it is about are held."""
_ENCODE: Final = msgspec.json.Encoder().encode


class _Run(msgspec.Struct, forbid_unknown_fields=True):
    dry_run: bool = False


class _Held(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = ""
    tenant: str | None = None
    principal: str | None = None
    incident: str | None = None
    since: str | None = None
    until: str | None = None
    expires: str | None = None


class _Lifted(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = ""


class _Erased(msgspec.Struct, forbid_unknown_fields=True):
    principal: str = ""
    tenant: str | None = None
    reason: str = ""
    dry_run: bool = False


class Removes(Protocol):
    """What must be known of a process that removes."""

    ready_made: Ready
    clock: Callable[[], float]

    def removal(self) -> AtWork | None:
        """What removes; None while another process does."""
        ...


class Removals:
    """What administrators ask and do about data that go, and data that must stay."""

    def __init__(self, runtime: Removes) -> None:
        self._runtime = runtime

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/api/v1/retention", guarded(self.show)),
            Route("/api/v1/retention/run", guarded(self.run), methods=["POST"]),
            Route("/api/v1/holds", guarded(self.holds)),
            Route("/api/v1/holds", guarded(self.hold), methods=["POST"]),
            Route("/api/v1/holds/{id}/lift", guarded(self.lift), methods=["POST"]),
            Route("/api/v1/erasures", guarded(self.erase), methods=["POST"]),
        ]

    async def show(self, _: Request) -> Response:
        """The policy, when it is next carried out, and every job that was."""
        work = self._at_work()
        policy = self._runtime.ready_made.config.retention.model_dump(exclude_none=True)
        jobs = await run_in_threadpool(work.keeping.done)
        return JSONResponse({"policy": policy, "next": work.removing.status()["next"], "jobs": jobs})

    async def run(self, request: Request) -> Response:
        """Remove what is due now, or tell what would go; a line for each step."""
        said = await read_body(request, _Run, '{"dry_run": true}')
        keeping = self._at_work().keeping
        return _streamed(keeping.run(self._runtime.clock(), asker_of(request).name, dry=said.dry_run))

    async def erase(self, request: Request) -> Response:
        """Erase a person, or tell what would go; a line for each step."""
        form = '{"principal": "https://idp.example|alice", "tenant": "acme", "reason": "DSR-17", "dry_run": true}'
        said = await read_body(request, _Erased, form)
        erasing = self._at_work().erasing
        if not said.principal.strip():
            raise RejectedError("say whom to erase", hint=form)
        if not said.reason.strip():
            raise RejectedError("say why", hint=f"the request and who decided it; the ledger keeps it: {form}")
        person = Person(said.principal, said.tenant)
        by, why, now = asker_of(request).name, clean_text(said.reason, 500), self._runtime.clock()
        return _streamed(erasing.run(person, now, by, why, dry=said.dry_run))

    async def holds(self, _: Request) -> Response:
        """The holds that stand."""
        keeping = self._at_work().keeping
        found = await run_in_threadpool(keeping.holds.standing, self._runtime.clock())
        return JSONResponse([_shown(hold) for hold in found])

    async def hold(self, request: Request) -> Response:
        """Make a hold."""
        form = '{"tenant": "acme", "principal": "https://idp.example|alice", "reason": "CASE-17", "expires": "90d"}'
        said = await read_body(request, _Held, form)
        by = asker_of(request).name
        return JSONResponse(_shown(await run_in_threadpool(self._hold, said, by)), status_code=201)

    async def lift(self, request: Request) -> Response:
        """End a hold."""
        said = await read_body(request, _Lifted, '{"reason": "CASE-17 closed"}')
        id_, by, why = request.path_params["id"], asker_of(request).name, clean_text(said.reason, 500)
        keeping = self._at_work().keeping

        def lift() -> None:
            with keeping.alone():
                keeping.holds.lift(id_, by, why)
                keeping.see_to_holds(self._runtime.clock())

        await run_in_threadpool(lift)
        return JSONResponse({"id": id_, "lifted": True})

    def _hold(self, said: _Held, by: str) -> Hold:
        keeping = self._at_work().keeping
        now = self._runtime.clock()
        kept: dict[str, Any] = {
            "tenant": said.tenant,
            "principal": said.principal,
            "since": moment(said.since, now) if said.since else None,
            "until": moment(said.until, now) if said.until else None,
        }
        if said.incident is not None:
            kept |= _of_incident(keeping.store, said.incident)
        expires = None
        if said.expires:
            length = duration(said.expires)
            expires = now + length if length is not None else moment(said.expires, now)
            if expires <= now:
                raise RejectedError("it would end before it begins", hint="--until 90d, or a moment to come")
        with keeping.alone():
            hold = keeping.holds.add(by=by, why=clean_text(said.reason, 500), at=now, expires=expires, **kept)
            keeping.see_to_holds(now)
            return hold

    def _at_work(self) -> AtWork:
        work = self._runtime.removal()
        if work is None:
            raise RejectedError(
                "this process does not seal, and whoever seals removes, since each removal is sealed first",
                hint="ask the process that runs `tocsin seal`: --config and --data of its own, or TOCSIN_URL",
            )
        return work


def _of_incident(store: Store, id_: str) -> dict[str, Any]:
    """What an incident stands on: itself, its findings' events, and what its caller did around them."""
    record = queries.find(store, id_)
    findings = findings_of(store, record.id)
    caller = next((record.entity[key] for key in PRINCIPAL if record.entity.get(key)), None)
    events = tuple(dict.fromkeys(one for finding in findings for one in finding.event_ids))[:EVENTS]
    found: dict[str, Any] = {"incident": record.id, "events": events}
    if caller is not None:
        begin = min((finding.start for finding in findings), default=record.opened) - BEFORE
        end = max((max(finding.end, finding.time) for finding in findings), default=record.opened) + BEFORE
        found |= {"tenant": record.tenant, "principal": caller, "since": begin, "until": end}
    return found


def _streamed(steps: Iterator[Step]) -> StreamingResponse:
    """The steps of a job as they are done. It goes on to its end whether somebody still listens or not."""
    lines: SimpleQueue[bytes | None] = SimpleQueue()

    def work() -> None:
        try:
            for step in steps:
                lines.put(_ENCODE({"step": step}) + b"\n")
            lines.put(_ENCODE({"end": {}}) + b"\n")
        except TocsinError as error:
            said = {"error": error.what, "where": error.where, "hint": error.hint}
            lines.put(_ENCODE(said) + b"\n")
        finally:
            lines.put(None)

    def told() -> Iterator[bytes]:
        while (line := lines.get()) is not None:
            yield line

    threading.Thread(target=work, name="removal", daemon=True).start()
    return StreamingResponse(told(), media_type="application/x-ndjson")


def _shown(hold: Hold) -> dict[str, Any]:
    record: dict[str, Any] = {"id": hold.id, "by": hold.by, "why": hold.why, "at": rfc3339(hold.at)}
    for name in ("tenant", "principal", "incident"):
        if (value := getattr(hold, name)) is not None:
            record[name] = value
    for name in ("since", "until", "expires"):
        if (at := getattr(hold, name)) is not None:
            record[name] = rfc3339(at)
    if hold.events:
        record["events"] = len(hold.events)
    return record
