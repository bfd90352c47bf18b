"""Stepping: shows each event to the detectors that its plan names, in the order of the frame."""

from collections.abc import Callable, Sequence
from copy import copy

from detectors import keys
from detectors.engine.answers import Answers
from detectors.engine.live import Live
from detectors.engine.marks import marks_of, own_denial
from detectors.engine.outlet import Outlet
from detectors.engine.plan import CALLER, HANDLE, SAMPLED, Plan, Raws, plan_for, raw_keys, with_handles
from detectors.engine.settling import Settling
from detectors.engine.table import Table
from detectors.engine.warmup import Warmup
from detectors.keys import Raw
from stream.facts import Facts
from tocsin_audit.event import AuditEvent


def step_all(
    events: Sequence[AuditEvent],
    source: str,
    *,
    tables: Sequence[Table],
    plans: dict[int, Plan],
    answers: Answers,
    admit: Callable[[Table, Raw, AuditEvent, str], Live],
    settling: Settling,
    outlet: Outlet,
    warmup: Warmup,
    facts: Facts,
    shortest: int,
    learned: bool,
) -> None:
    """Step what is new of a frame; `shortest` is the length of the engine's shortest cell in seconds.

    `plans` are those by marks that were needed so far; with `learned` it is noted when a tenant first came.
    """
    touch = settling.touch
    callers_of = next((table.live.get for table in tables if table.kind == "principal"), None)
    minute = int(facts.clock) // 60
    arrived: set[str | None] = set()
    known_principals = bool(facts.directory.principals)
    number, stamp = -1.0, -1
    answered: dict[int, Live | None] = {}
    for event in events:
        if known_principals and (known := facts.tenant(event)) != event.tenant:
            event = copy(event)
            event.tenant = known
        marks = marks_of(event, facts)
        if event.reason is not None and own_denial(event, marks):
            continue
        tenant = event.tenant
        if learned and tenant not in arrived:
            arrived.add(tenant)
            warmup.arrived(tenant, facts.clock)
        if event.echo is not None or (event.sample_rate is not None and event.sample_rate < 1.0):
            marks |= SAMPLED
        plan = plans.get(marks)
        if plan is None:
            plan = plans[marks] = plan_for(marks, tables, warmup.shed)
        time = event.time
        if time // 60.0 != number:
            number = time // 60.0
            stamp = int(time) // shortest << 32 | minute
            answered = answers.of(int(number))
        user = event.user
        needs, entries, repeats, callers, again = plan
        answer = None
        if repeats is not None and event.outcome == "ok" and event.auth == "valid" and not event.late:
            who = (tenant, user) if user is not None else keys.principal(event)
            answer = hash((who, event.source_ip, event.token, event.server))
            if answer in answered:
                if not repeats:
                    continue
                caller = answered[answer]
                if again is not None and caller is not None and caller.stamp == stamp:
                    bits, steps, table = again
                    if not bits & ~caller.bits:
                        # Most events end here: what they say of their caller is all that is new.
                        for index, step in steps:
                            try:
                                raised = step(caller.states[index], caller.entity, event, facts)
                            except Exception as error:  # noqa: BLE001  # a detector's fault, whatever it is, must not stop the others
                                outlet.failed(table.detectors[index].spec, error, time)
                                continue
                            if raised:
                                outlet.emit(table.detectors[index].spec, caller, raised)
                        continue
                entries, needs = repeats, callers
        else:
            who = (tenant, user) if user is not None else keys.principal(event)
        if needs == CALLER:
            raws: Raws = (who,)
        else:
            raws = raw_keys(event, who, needs, source, facts)
            if needs & HANDLE:
                raws, entries = with_handles(raws, entries, event)
        for slot, get, bits, steps, table in entries:
            raw = raws[slot]
            if raw is None:
                continue
            live = get(raw)
            if live is None:
                live = admit(table, raw, event, source)
            if live.stamp != stamp or bits & ~live.bits:
                touch(table, live, time, stamp, bits)
            states = live.states
            entity = live.entity
            for index, step in steps:
                try:
                    raised = step(states[index], entity, event, facts)
                except Exception as error:  # noqa: BLE001  # a detector's fault, whatever it is, must not stop the others
                    outlet.failed(table.detectors[index].spec, error, time)
                    continue
                if raised:
                    outlet.emit(table.detectors[index].spec, live, raised)
        if answer is not None:
            answered[answer] = callers_of(who) if callers_of is not None and who is not None else None
