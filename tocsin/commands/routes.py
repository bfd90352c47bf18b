"""`tocsin routes`: who would be told of what."""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tocsin.commands.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from alerting.routing.route import Step, Told

app = typer.Typer(help="Who would be told of what, and why.", no_args_is_help=True)


@app.callback()
def _together() -> None:
    """Who would be told of what, and why."""


@app.command(
    "test", epilog="Example: tocsin routes test class=brute severity=high tenant=acme --at 2026-11-20T23:00:00+01:00"
)
def try_(
    values: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…", help="What the incident is: class, tenant, …")],
    at: Annotated[str | None, typer.Option(help="When: 2026-11-20T23:00:00+01:00; now where it is left out.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Where an incident would go, and which routes were asked with what answer."""
    from alerting.matching import parse_all
    from stream.errors import RejectedError
    from tocsin.moments import moment
    from tocsin.setup import prepare

    ready = prepare(config)
    have: dict[str, tuple[str, ...]] = {"severity": ("high",)}
    for condition in parse_all(values):
        if condition.operator != "=":
            raise RejectedError(f"'{condition}' is no value", hint="write what the incident is: tenant=acme")
        have[condition.key] = condition.values
    clock = moment(at, time.time()) if at is not None else time.time()
    steps = ready.routes.explain(have, clock)
    told = ready.routes.told(have, clock)
    severity: Any = have["severity"][0]
    pages = ready.policies.pages(severity)
    if as_json:
        typer.echo(json.dumps(_record(steps, told, pages, ready.policies.repeat.get(severity, 0.0))))
        return
    console = Console()
    for step in steps:
        answer = step.why_not or ("told here" if step.chosen else "a route below it fits")
        conditions = " and ".join(str(condition) for condition in step.route.match) or "everything"
        console.print(Text(f"{step.path}: {conditions}: {answer}"))
    for one in told:
        receiver = one.receiver
        sinks = ", ".join((*receiver.sinks, *(f"{pager} (wakes)" for pager in receiver.pagers))) or "no sink"
        wakes = pages and not one.observe and bool(receiver.pagers)
        mode = (
            "observes only" if one.observe else "is told" if pages else "is told, and nobody is woken below page_from"
        )
        console.print(Text(f"{receiver.name} {mode}: {sinks}", "bold"))
        for line in _timing(one, ready.policies.repeat.get(severity, 0.0)) if wakes else ():
            console.print(Text(f"  {line}"))


def _timing(told: "Told", by_severity: float) -> list[str]:
    """When a receiver is woken, with whom together, and again, in words."""
    lines = []
    if told.group is not None:
        wait, interval = told.group.wait, told.group.interval
        lines.append(f"with others of its group after {wait:g} s, and of what comes later every {interval:g} s")
    repeat = by_severity if told.repeat is None else told.repeat
    again = f"again every {repeat / 60:g} minutes until somebody acknowledges" if repeat else "once, never again"
    lines.append(again)
    if told.receiver.escalate_to is not None:
        lines.append(f"{told.receiver.escalate_to} is woken where nobody acknowledged in time")
    return lines


def _record(steps: Sequence["Step"], told: Sequence["Told"], pages: bool, by_severity: float) -> dict[str, Any]:
    return {
        "steps": [{"path": step.path, "why_not": step.why_not, "chosen": step.chosen} for step in steps],
        "receivers": [
            {
                "receiver": one.receiver.name,
                "observe": one.observe,
                "sinks": list(one.receiver.sinks),
                "pagers": list(one.receiver.pagers) if pages and not one.observe else [],
                "group": {"wait": one.group.wait, "interval": one.group.interval} if one.group is not None else None,
                "repeat": (by_severity if one.repeat is None else one.repeat) or None,
                "escalate_to": one.receiver.escalate_to,
            }
            for one in told
        ],
    }
