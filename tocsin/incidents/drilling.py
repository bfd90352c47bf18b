"""Running a drill: a marked finding through the live pipeline, what becomes of it step by step, and its end."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool

from alerting import queries
from alerting.deciding.fates import fates
from alerting.incidents.key import incident_key
from alerting.response.drill import NAME, receivers_of, rehearsal, told_of, would_hear
from stream.control import IncidentChange
from stream.errors import RejectedError, TocsinError, UnavailableError
from stream.finding import ENCODER, Class, Finding, Severity
from stream.frame import Frame, Header, pack
from stream.log import FINDINGS
from tocsin.acts import carry_out
from tocsin.moments import moment
from tocsin.runtime import Runtime

STAGES: Final = 60.0
"""Seconds that Tocsin's own stages may take; sinks have as long as the order says."""
LOOK: Final = 0.05
"""Seconds between two looks for what becomes of it."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is rehearsed by whom. `wait` is how many seconds deliveries may take, `acknowledge` how many somebody who is
    woken (`page`) has to take it.
    """

    class_: Class
    severity: Severity
    tenant: str | None
    page: bool
    by: str
    wait: float
    acknowledge: float


class Drill:
    """One drill; `tell` hears each step as it is reached: its name, whether it went well, after how many seconds."""

    def __init__(self, runtime: Runtime, id_: str, order: Order, tell: Callable[[dict[str, Any]], None]) -> None:
        self._runtime = runtime
        self._order = order
        self._tell = tell
        self._began = runtime.clock()
        self._failed: list[str] = []
        self._finding = rehearsal(
            id_,
            order.class_,
            severity=order.severity,
            tenant=order.tenant,
            page=order.page,
            by=order.by,
            at=self._began,
        )
        self.incident = incident_key(self._finding).id

    async def run(self) -> dict[str, Any]:
        """Go through it to its end; what came of it. Whatever fails, an incident that it opened is resolved."""
        opened = False
        try:
            opened = await self._open()
            if opened:
                await self._deliver("opened", self._order.page)
                if self._order.page:
                    await self._acknowledged()
        except TocsinError as error:
            self._step("failed", False, f"{error.what} ({error.hint})" if error.hint else error.what)
        finally:
            if opened:
                await self._resolve()
        return {
            "ok": not self._failed,
            "incident": self.incident,
            "finding": self._finding.id,
            "class": self._order.class_,
            "tenant": self._order.tenant,
            "page": self._order.page,
            "seconds": round(self._runtime.clock() - self._began, 3),
            "failed": self._failed,
        }

    async def _open(self) -> bool:
        """Through the clock, the log and the decision; whether there is an incident."""
        runtime, order = self._runtime, self._order
        if not await self._until(lambda: runtime.alert.clock >= self._began, STAGES):
            late = self._began - runtime.alert.clock
            why = f"the log's clock is {late:.0f} s behind: detection or alerting stands still"
            return self._step("clock", False, f"{why} (see `/readyz`)")
        self._step("clock", True, "the clock went through the log, detection and alerting")
        offset = await asyncio.wrap_future(runtime.log.append(FINDINGS, _frame(self._finding, runtime.clock())))
        self._step("stored", True, "a finding of class drill is durable in the log")
        if not await self._until(lambda: runtime.decided > offset, STAGES):
            return self._step("decided", False, f"nothing was decided in {STAGES:.0f} s: alerting stands still")
        (fate,) = (await run_in_threadpool(fates, runtime.store, [self._finding.id]))[self._finding.id]
        nobody = ", so that nobody is woken" if order.page and not fate["page"] else ""
        words = f"incident {self.incident[:12]} {fate['change']}: {fate['reason']} ({fate['said']}){nobody}"
        self._step("decided", not nobody, words, reason=fate["reason"], page=fate["page"])
        await self._routed()
        return True

    async def _routed(self) -> None:
        routes, order = self._runtime.ready_made.routes, self._order
        record = await run_in_threadpool(queries.find, self._runtime.store, self.incident)
        heard = receivers_of(routes, record)
        names = ", ".join(one["receiver"] for one in heard)
        self._step("routed", bool(heard), f"to {names}" if heard else "to nobody", receivers=heard)
        if order.class_ != NAME:
            real = would_hear(routes, order.class_, order.severity, order.tenant, self._runtime.alert.clock)
            if real != [one["receiver"] for one in heard]:
                words = f"a real {order.class_} goes to {', '.join(real)} instead"
                self._step("route of the real thing", True, words, receivers=real)

    async def _deliver(self, change: str, page: bool) -> None:
        """Wait for what every sink made of a change."""
        runtime, order = self._runtime, self._order
        record = await run_in_threadpool(queries.find, runtime.store, self.incident)
        sinks = told_of(runtime.ready_made.routes, record, page=page and record.paged)
        awake = told_of(runtime.ready_made.routes, record, page=True)
        if not awake:
            self._step("delivered", False, "these receivers have no sink: nobody hears of anything")
        deadline, waiting = runtime.clock() + order.wait, dict(sinks)
        while waiting:
            rows = await self._rows(change)
            for sink in [sink for sink in waiting if rows.get(sink, {}).get("state") in ("done", "refused")]:
                self._delivered(change, sink, waiting.pop(sink), rows[sink])
            if runtime.clock() > deadline:
                break
            await asyncio.sleep(LOOK if waiting else 0)
        for sink, receivers in waiting.items():
            self._delivered(change, sink, receivers, (await self._rows(change)).get(sink, {}))
        if change == "opened":
            for sink, receivers in awake.items():
                if sink not in sinks:
                    words = f"{sink} (wakes {', '.join(receivers)}) is not tried without --page"
                    self._step("delivered", None, words, sink=sink, receivers=receivers, state="not tried")

    async def _rows(self, change: str) -> dict[str, dict[str, Any]]:
        """By sink, how far the alert of a change is: the first of the incident's, or its last."""
        shown = await run_in_threadpool(queries.show, self._runtime.store, self.incident, self._runtime.runbooks)
        rows = shown["deliveries"] if change == "opened" else shown["deliveries"][::-1]
        alerts = [row["alert"] for row in rows if row["incident"] == self.incident]
        return {row["sink"]: row for row in rows if row["alert"] == alerts[0]} if alerts else {}

    def _delivered(self, change: str, sink: str, receivers: list[str], row: dict[str, Any]) -> None:
        state, why = row.get("state", "missing"), row.get("why", "")
        whom = f"{sink} ({', '.join(receivers)})"
        seconds = moment(row["changed"], 0.0) - self._began if row.get("changed") else None
        tries = f" after {row['attempts']} attempts" if row.get("attempts", 1) > 1 else ""
        words = f"{whom}: {change}, {'delivered' if state == 'done' else state}{tries}{f': {why}' if why else ''}"
        told = {"sink": sink, "receivers": receivers, "state": state, "why": why, "change": change}
        self._step("delivered", state == "done", words, at=seconds, **told)

    async def _acknowledged(self) -> None:
        """Wait until somebody who was woken takes it."""
        order, found = self._order, self.incident
        if order.acknowledge <= 0 or self._failed:
            return
        words = f"waiting {order.acknowledge:.0f} s until somebody takes it: tocsin incident ack {found[:12]}"
        self._step("waiting", None, words)

        async def taken() -> bool:
            record = await run_in_threadpool(queries.find, self._runtime.store, found)
            return record.acknowledged_by is not None or not record.is_open

        deadline = self._runtime.clock() + order.acknowledge
        while not await taken():
            if self._runtime.clock() > deadline:
                self._step("acknowledged", False, "nobody took it")
                return
            await asyncio.sleep(LOOK)
        record = await run_in_threadpool(queries.find, self._runtime.store, found)
        self._step("acknowledged", True, f"{record.acknowledged_by or 'somebody'} took it", by=record.acknowledged_by)

    async def _resolve(self) -> None:
        """End it, and see that this is told as well."""
        runtime = self._runtime
        record = await run_in_threadpool(queries.find, runtime.store, self.incident)
        if record.is_open:
            note = "the drill is over"
            act = IncidentChange(
                incident=self.incident, act="resolve", by=self._order.by, at=runtime.clock(), note=note
            )
            try:
                await carry_out(runtime, act)
            except (RejectedError, UnavailableError) as error:
                self._step("resolved", False, f"{error.what}: end it with tocsin incident resolve {self.incident[:12]}")
                return
        self._step("resolved", True, f"incident {self.incident[:12]} is resolved")
        if not self._failed:
            await self._deliver("resolved", self._order.page)

    async def _until(self, reached: Callable[[], bool], seconds: float) -> bool:
        deadline = self._runtime.clock() + seconds
        while not reached():
            if self._runtime.clock() > deadline:
                return False
            await asyncio.sleep(LOOK)
        return True

    def _step(self, name: str, ok: bool | None, words: str, *, at: float | None = None, **more: Any) -> bool:
        seconds = self._runtime.clock() - self._began if at is None else at
        self._tell({"step": name, "ok": ok, "seconds": round(max(0.0, seconds), 3), "words": words, **more})
        if ok is False:
            self._failed.append(words)
        return ok is not False


def _frame(finding: Finding, received: float) -> Frame:
    """The frame that brings a finding into the findings stream without a detector."""
    header = Header(received=received, content="findings", count=1, source=NAME)
    return pack(header, ENCODER.encode(finding))
